"""Every stage's templates, synthesized once: the first takes seconds, the others milliseconds."""

import functools
import json
import os
import re
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra import app
from infra.app import Artefacts
from infra.stacks.stage import LOCAL, Stage
from infra.stacks.stage_file import FOLDER, Network, Producers, StageFile, Stream

Template = dict[str, Any]

STAGES = tuple(sorted(path.stem for path in FOLDER.glob("*.toml") if "." not in path.stem))
ON_AWS = tuple(name for name in STAGES if name != LOCAL)

OTHER = Stage(
    "other",
    StageFile(
        region="ap-southeast-2",
        network=Network(zones=("ap-southeast-2a", "ap-southeast-2b"), nat=True),
        stream=Stream(alarm_email="alarms@example.com"),
        producers=Producers(
            names=("feed-1", "feed-2"), config="dev.producers.toml", spool="ebs", internet=True
        ),
    ),
)
"""A stage that asks for what those with a file do not."""

_IMPORTED = re.compile(r"headrace-\w+?-(.+):ExportsOutput(?:Ref|FnGetAtt)(.+?)[0-9A-F]{8}")


@dataclass(frozen=True)
class Synthesis:
    """A stage's templates by their part, and the folder of their assembly."""

    templates: dict[str, Template]
    folder: Path
    kept: tempfile.TemporaryDirectory[str]  # goes with the process

    @property
    def report(self) -> Any:
        """What cdk-nag found."""
        told = json.loads((self.folder / "validation-report.json").read_text())["pluginReports"]
        return next(report for report in told if report["pluginName"] == "AwsSolutions")


def stand_ins(folder: Path) -> Artefacts:
    """In place of what is built, whose content no template shows."""
    function = folder / "transform.zip"
    with zipfile.ZipFile(function, "w") as packed:
        packed.writestr("empty.py", "")
    job = folder / "stream-job.zip"
    job.write_bytes(function.read_bytes())
    return Artefacts(function, job)


@functools.cache
def synthesized(stage: str) -> Synthesis:
    """The stage as its file asks for it, or OTHER; on AWS under cdk-nag, where what nobody accepts raises."""
    app.use_own_node(os.environ)
    kept = tempfile.TemporaryDirectory()
    folder = Path(kept.name)
    artefacts = Artefacts() if stage == LOCAL else stand_ins(folder)
    asked = OTHER if stage == OTHER.name else Stage.read(stage)
    templates = app.synthesize(asked, str(folder / "assembly"), artefacts)
    return Synthesis(templates, folder / "assembly", kept)


def every(stages: tuple[str, ...] = STAGES) -> Iterator[tuple[str, str, Template]]:
    """(stage, part, template) of every stack."""
    for stage in stages:
        for part, template in synthesized(stage).templates.items():
            yield stage, part, template


def of_type(template: Template, kind: str) -> dict[str, Template]:
    """The properties of its resources of the type, by their logical ids."""
    found = template["Resources"].items()
    return {name: resource.get("Properties", {}) for name, resource in found if resource["Type"] == kind}


def plain(value: Any) -> str:
    """An ARN or a name of a template, its references as `<Name>`, to another stack `<part:Name>`."""
    match value:
        case str():
            return value
        case {"Ref": name} | {"Fn::GetAtt": [name, _]}:
            return f"<{unhashed(str(name))}>"
        case {"Fn::Join": [glue, parts]}:
            return str(glue).join(plain(part) for part in parts)
        case {"Fn::ImportValue": str(name)} if found := _IMPORTED.match(name):
            return f"<{found[1]}:{found[2]}>"
    return json.dumps(value)


def unhashed(name: str) -> str:
    """The logical id without what the CDK appends to it."""
    return re.sub(r"[0-9A-F]{8}$", "", name)


def listed(value: Any) -> list[Any]:
    """A list, where a template may have one thing alone."""
    return value if isinstance(value, list) else [value]


def statements(template: Template) -> Iterator[tuple[str, Template]]:
    """Every statement of every policy, wherever in whatever type of resource it is."""
    for resource in template["Resources"].values():
        for found in _within(resource.get("Properties", {})):
            yield resource["Type"], found


def _within(value: Any) -> Iterator[Template]:
    match value:
        case {"Effect": "Allow" | "Deny"}:
            yield value
        case dict():
            for inner in value.values():
                yield from _within(inner)
        case list():
            for inner in value:
                yield from _within(inner)
