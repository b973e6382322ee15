"""What the Data API double keeps of a request, and how it runs it on PostgreSQL."""

import base64
import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import psycopg

from tests.doubles.redshift_rules import Transaction, translated

Body = Mapping[str, Any]
MAX_ROW_BYTES, MAX_RESULT_BYTES = 64 << 10, 500 << 20
_TYPES = {
    16: ("bool", "booleanValue"),
    20: ("int8", "longValue"),
    21: ("int2", "longValue"),
    23: ("int4", "longValue"),
    700: ("float4", "doubleValue"),
    701: ("float8", "doubleValue"),
    1082: ("date", "stringValue"),
    1083: ("time", "stringValue"),
    1114: ("timestamp", "stringValue"),
    1184: ("timestamptz", "stringValue"),
    1700: ("numeric", "stringValue"),
    17: ("varbyte", "blobValue"),
}
_PLACE = re.compile(r"(?<!:):([A-Za-z_]\w*)")


@dataclass
class Sub:
    """One SQL statement of a request."""

    text: str
    error: str | None = None
    status: str = "SUBMITTED"
    columns: list[dict[str, object]] | None = None
    records: list[list[dict[str, object]]] = field(default_factory=list)


@dataclass
class Submitted:
    """One request."""

    id: str
    body: Body
    subs: list[Sub]
    batch: bool
    status: str = "SUBMITTED"
    error: str | None = None


def places(text: str) -> set[str]:
    """The parameters that a statement names."""
    return set(_PLACE.findall(re.sub(r"'[^']*'", "", text)))


def run(taken: Submitted, database: str, failures: deque[str], most_bytes: int) -> None:
    """Run it: a batch in one transaction that sees one state, as all of Redshift's do."""
    taken.status, doing = "FINISHED", taken.subs[0]
    parameters = {it["name"]: it["value"] for it in taken.body.get("Parameters", ())}
    try:
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute("SET timezone = 'UTC'")
            if taken.batch:
                connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
            transaction = Transaction(b"T" if taken.batch else b"I")
            for doing in taken.subs:
                if failures:
                    _fail(failures.popleft())
                _run_one(connection, doing, parameters, transaction, most_bytes)
            if taken.batch:
                connection.execute("COMMIT")
    except (psycopg.Error, ValueError) as error:
        said = str(error).splitlines()[0] if isinstance(error, psycopg.Error) else str(error)
        doing.error = taken.error = said if said.startswith("ERROR:") else f"ERROR: {said}"
        taken.status = doing.status = "FAILED"


def _fail(words: str) -> None:
    raise ValueError(words)


def _run_one(
    connection: psycopg.Connection,
    sub: Sub,
    parameters: Mapping[str, str],
    transaction: Transaction,
    most_bytes: int,
) -> None:
    if refusal := transaction.refusal(sub.text):
        _fail(refusal)
    text = translated(sub.text)
    if parameters:
        text = _PLACE.sub(r"%(\1)s", text.replace("%", "%%"))
    cursor = connection.execute(text.encode(), parameters or None, prepare=True)
    sub.status = "FINISHED"
    if cursor.description is not None:
        _keep(sub, cursor, most_bytes)


def _keep(sub: Sub, cursor: psycopg.Cursor[Any], most_bytes: int) -> None:
    described = cursor.description or ()
    kinds = [_TYPES.get(column.type_code, ("varchar", "stringValue")) for column in described]
    sub.columns = [
        {"name": column.name, "label": column.name, "typeName": kind, "nullable": 1}
        for column, (kind, _) in zip(described, kinds, strict=True)
    ]
    result, total = cursor.pgresult, 0
    assert result is not None
    for at in range(result.ntuples):
        values = [result.get_value(at, column) for column in range(result.nfields)]
        size = sum(len(value or b"") for value in values)
        total += size
        if size > MAX_ROW_BYTES:
            _fail("ERROR: Packet for query is too large")
        if total > most_bytes:
            _fail("ERROR: Database response exceeded size limit")
        sub.records.append([_field(member, value) for (_, member), value in zip(kinds, values, strict=True)])


def _field(member: str, value: bytes | None) -> dict[str, object]:
    """The union with one member; blobs are base64, as everywhere in this protocol."""
    if value is None:
        return {"isNull": True}
    text = value.decode()
    match member:
        case "longValue":
            return {member: int(text)}
        case "doubleValue":
            return {member: float(text)}
        case "booleanValue":
            return {member: text == "t"}
        case "blobValue":
            return {member: base64.b64encode(bytes.fromhex(text.removeprefix("\\x"))).decode()}
        case _:
            return {member: text}
