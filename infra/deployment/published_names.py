"""What a deployed stage has published, read from the SSM Parameter Store."""

from infra.deployment.cloud import Cloud
from infra.published import Published
from infra.stacks.stage import Stage


def read(cloud: Cloud, stage: Stage) -> dict[Published, str]:
    """By its name; one that its stack does not publish, or whose stack is left out, is missing."""
    folder = stage.parameter("")
    pages = cloud.client("ssm").get_paginator("get_parameters_by_path").paginate(Path=folder)
    found = {one["Name"].removeprefix(folder): one["Value"] for page in pages for one in page["Parameters"]}
    return {name: found[name] for name in Published if name in found}
