"""`headrace reference`: every setting, metric, stream, table and error, from their declarations."""

import typing
from collections.abc import Iterable, Iterator

import click
import msgspec

from batch_jobs.model.settings import ModelSettings
from batch_jobs.settings import BatchSettings
from cli.settings import CommandSettings
from headrace import errors
from headrace.ops import metrics
from headrace.ops.settings import describe
from headrace.schemas.record_type import Field
from headrace.schemas.registry import OUTPUTS, RECORD_TYPES
from headrace.schemas.reject_codes import RejectCode
from headrace.schemas.streams import STREAMS
from headrace.schemas.tables import ColumnType, Table
from headrace.warehouse.system_tables import SYSTEM_TABLES
from infra.local.delivery.settings import DeliverySettings
from infra.published import Published
from infra.stacks.stage_file import StageFile
from lambdas.transform.settings import TransformSettings
from producers.catalog import load, names
from producers.configuration import SOURCES
from producers.settings import InputSettings, ProducerSettings
from stream_jobs.error_desk.settings import ErrorDeskSettings
from stream_jobs.replay.settings import ReplaySettings
from stream_jobs.settings import StreamJobSettings

SETTINGS: dict[str, type[msgspec.Struct]] = {
    "Every command": CommandSettings,
    "A producer process": ProducerSettings,
    "Each input of a producer": InputSettings,
    **{f"An input from {name}": load(SOURCES, name).Settings for name in names(SOURCES)},
    "The stream job": StreamJobSettings,
    "The error desk": ErrorDeskSettings,
    "The way back, and looking at streams": ReplaySettings,
    "The laptop's delivery": DeliverySettings,
    "The transform function": TransformSettings,
    "The batch pipeline": BatchSettings,
    "The decision tree": ModelSettings,
}


@click.command()
def command() -> None:
    """Print the reference: settings, metrics, streams, record types, tables, reject codes, errors.

    Example: headrace reference | less
    """
    click.echo("\n".join(reference()))


def reference() -> Iterator[str]:
    """The lines of docs/reference.md."""
    yield "# Reference"
    yield ""
    yield "Printed by `headrace reference` from the declarations themselves; `make docs` writes it here."
    yield from _settings()
    yield from _stage_files()
    yield from _published()
    yield from _metrics()
    yield from _streams()
    yield from _record_types()
    yield from _tables()
    yield from _section("Reject codes", ("code", "meaning"), ((f"`{c}`", c.meaning) for c in RejectCode))
    yield from _section("Errors", ("error", "fate", "meaning"), _errors(errors.HeadraceError))


def _section(title: str, heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield from ("", f"## {title}", "")
    yield from _grid(heads, rows)


def _grid(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield f"|{' --- |' * len(heads)}"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"


def _settings() -> Iterator[str]:
    yield from ("", "## Settings")
    for title, kind in SETTINGS.items():
        if not describe(kind):
            continue
        yield from ("", f"### {title}", "")
        rows = ((f"`{s.variable}`", f"`{s.field}`", _shown(s.default), s.meaning) for s in describe(kind))
        yield from _grid(("variable", "key in a settings file", "default", "meaning"), rows)


def _shown(default: object) -> str:
    return "" if default is None or default == "" else f"`{default}`"


def _stage_files() -> Iterator[str]:
    yield from (
        "",
        "## Stage files",
        "",
        "`infra/stages/<stage>.toml`; a stack whose table is missing is left out.",
    )
    yield from ("", "### At the top", "")
    yield from _stage_table(StageFile)
    for name, part in typing.get_type_hints(StageFile).items():
        kinds = [kind for kind in (part, *typing.get_args(part)) if isinstance(kind, type)]
        for kind in kinds:
            if issubclass(kind, msgspec.Struct):
                yield from ("", f"### [{name}]", "", (kind.__doc__ or "").splitlines()[0], "")
                yield from _stage_table(kind)


def _stage_table(kind: type[msgspec.Struct]) -> Iterator[str]:
    hints = typing.get_type_hints(kind, include_extras=True)
    rows = []
    for field in msgspec.structs.fields(kind):
        texts = [one for one in getattr(hints[field.name], "__metadata__", ()) if isinstance(one, str)]
        if texts:
            rows.append((f"`{field.name}`", _allowed(hints[field.name]), _toml(field.default), texts[-1]))
    return _grid(("key", "may be", "default", "meaning"), rows)


def _allowed(hint: object) -> str:
    kind = typing.get_args(hint)[0]
    if typing.get_origin(kind) is typing.Literal:
        return ", ".join(f"`{value}`" for value in typing.get_args(kind))
    limits = [one for one in getattr(hint, "__metadata__", ()) if isinstance(one, msgspec.Meta)]
    if limits and limits[0].ge is not None:
        return f"{limits[0].ge} to {limits[0].le}"
    return {str: "text", bool: "`true`, `false`", int: "a number"}.get(kind, "a list of texts")


def _toml(default: object) -> str:
    return f"`{msgspec.json.encode(default).decode()}`"


def _published() -> Iterator[str]:
    rows = ((f"`{one}`", f"`{one.stack}`", one.meaning) for one in Published)
    title = "Published names"
    yield from ("", f"## {title}", "", "In the SSM Parameter Store, below `/headrace/<stage>/`.", "")
    yield from _grid(("name", "stack", "meaning"), rows)


def _metrics() -> Iterator[str]:
    rows = (
        (f"`{family.name}{'_total' if family.type == 'counter' else ''}`", family.type, family.documentation)
        for metric in metrics.declared().values()
        for family in metric.describe()
    )
    return _section("Metrics", ("metric", "kind", "meaning"), sorted(rows))


def _streams() -> Iterator[str]:
    rows = (
        (f"`{s.name}`", s.description, ", ".join(s.record_types), f"{s.retention.days} days", s.rejects_to)
        for s in STREAMS.values()
    )
    return _section("Streams", ("stream", "holds", "record types", "retention", "rejects go to"), rows)


def _record_types() -> Iterator[str]:
    yield from ("", "## Record types")
    for record_type in RECORD_TYPES.values():
        key = f" Keyed by `{record_type.partition_key}`." if record_type.partition_key else ""
        yield from ("", f"### {record_type.name}", "", record_type.description + key, "")
        rows = (
            (f"`{f.name}`", f.kind, _said(f.nullable), _bounds(f), _said(f.pii), f.description)
            for f in record_type.fields
        )
        yield from _grid(("field", "kind", "may be null", "bounds", "personal", "meaning"), rows)


def _said(holds: bool) -> str:  # noqa: FBT001  a cell of the table
    return "yes" if holds else "no"


def _bounds(field: Field) -> str:
    if field.max_bytes is not None:
        return f"{field.max_bytes} bytes"
    return "" if field.minimum is None else f"{field.minimum} to {field.maximum}"


def _tables() -> Iterator[str]:
    yield from ("", "## Tables")
    for output in OUTPUTS.values():
        yield from _table(output.table())
        if (parts := output.parts_table()) is not None:
            yield from _table(parts)
    for table in SYSTEM_TABLES:
        yield from _table(table)


def _table(table: Table) -> Iterator[str]:
    yield from ("", f"### {table.name}", "", table.description, "")
    rows = ((f"`{c.name}`", _type(c.type), c.description) for c in table.columns)
    yield from _grid(("column", "type", "meaning"), rows)


def _type(kind: ColumnType) -> str:
    if kind.max_bytes is not None:
        return f"{kind.name} of {kind.max_bytes} bytes"
    return kind.name if kind.precision is None else f"{kind.name}({kind.precision}, {kind.scale})"


def _errors(kind: type[errors.HeadraceError]) -> Iterator[tuple[str, str, str]]:
    for child in kind.__subclasses__():
        yield f"`{child.__name__}`", child.fate.value, (child.__doc__ or "").splitlines()[0]
        yield from _errors(child)
