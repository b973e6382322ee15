"""The archive's tables in the Glue catalog, as headrace.schemas.targets.glue derives them."""

import aws_cdk as cdk
from aws_cdk import aws_glue as glue
from aws_cdk import aws_s3 as s3
from constructs import Construct

from headrace.schemas.targets.glue import archive_tables
from infra.stacks.stage import Stage


def declare_catalog(scope: Construct, stage: Stage, bucket: s3.IBucket) -> str:
    """One database and its tables; the database's name."""
    account = cdk.Stack.of(scope).account
    name = f"headrace_{stage.name}"
    database = glue.CfnDatabase(
        scope,
        "Catalog",
        catalog_id=account,
        database_input=glue.CfnDatabase.DatabaseInputProperty(
            name=name, description="The archive of headrace, by record type."
        ),
    )
    for table in archive_tables(bucket.bucket_name):
        words = str(table["Name"]).split("_")
        made = cdk.CfnResource(
            scope,
            "".join(word.capitalize() for word in words) + "Table",
            type="AWS::Glue::Table",
            properties={"CatalogId": account, "DatabaseName": name, "TableInput": table},
        )
        made.add_resource_dependency(database)
    return name
