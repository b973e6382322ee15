"""The images that tasks run, from infra/container; what a build is sent makes their hash."""

import aws_cdk as cdk
from aws_cdk import aws_ecr_assets as assets
from constructs import Construct

from infra.container import FOLDER, ROOT


def image_of(scope: Construct, name: str, dockerfile: str) -> assets.DockerImageAsset:
    """Built and uploaded when it is deployed: to synthesize needs no Docker."""
    ignored = (FOLDER / f"{dockerfile}.dockerignore").read_text().splitlines()
    return assets.DockerImageAsset(
        scope,
        name,
        directory=str(ROOT),
        file=str((FOLDER / dockerfile).relative_to(ROOT)),
        exclude=[line for line in ignored if line and not line.startswith("#")],
        ignore_mode=cdk.IgnoreMode.DOCKER,
        platform=assets.Platform.LINUX_AMD64,
    )
