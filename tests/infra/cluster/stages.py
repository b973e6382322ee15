"""Stages with a cluster, and what their stack would have published."""

import msgspec

from infra.cluster.job import Facts
from infra.stacks.stage import Stage
from infra.stacks.stage_file import FOLDER, Cluster, StageFile

KEY = "arn:aws:kms:us-east-1:000000000000:key/0123abcd-0000-0000-0000-000000000000"
STAGES = {path.stem: Stage.read(path.stem) for path in sorted(FOLDER.glob("*.toml")) if "." not in path.stem}
CLUSTERS = {name: stage for name, stage in STAGES.items() if stage.file.cluster is not None}


def stage_with(cluster: Cluster) -> Stage:
    return Stage("some", StageFile(cluster=cluster))


def facts(*, kerberos: bool = False, **changes: object) -> Facts:
    made = Facts(
        archive="s3://assets/0123.zip",
        entry="s3://assets/4567.py",
        checkpoint="s3://headrace-job/checkpoint",
        settings={
            "AWS_REGION": "us-east-1",
            "HEADRACE_STREAM": "events",
            "HEADRACE_WAREHOUSE_URL": "redshift://host:5439/headrace?workgroup=w&region=us-east-1",
        },
        job_role="arn:aws:iam::000000000000:role/headrace-some-job",
        log_group="/headrace/some/stream-job",
        log_uri="s3://headrace-logs",
        key=KEY,
        application="00fabc",
        subnets=("subnet-1", "subnet-2"),
        instance_profile="headrace-some-nodes",
        service_role="arn:aws:iam::000000000000:role/headrace-some-emr",
        groups=("sg-1", "sg-2", "sg-3"),
        security_configuration="headrace-some",
        certificate="s3://headrace-job/certificates/nodes.zip",
        kdc_secret="arn:aws:secretsmanager:us-east-1:000000000000:secret:kdc" if kerberos else "",
    )
    return msgspec.structs.replace(made, **changes)
