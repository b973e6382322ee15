"""When each windowed output was born: which records of its type came before it."""

from collections.abc import Iterable
from datetime import datetime

from headrace.schemas.outputs import WindowedOutput
from headrace.schemas.targets.sql import quote
from headrace.warehouse.session import Cursor


def update(cursor: Cursor, outputs: Iterable[WindowedOutput], now: datetime) -> None:
    """Book the birth of outputs that no job has written, and retire those that the job no longer writes.

    Runs in the transaction that takes the epoch, so no older job can add to a type behind its back. An output
    that comes back after a pause is reborn: what its table lacks of its type's count came without it.
    """
    declared = {output.name: output for output in outputs}
    if not declared:
        return
    cursor.execute("SELECT output FROM ledger_outputs WHERE NOT retired")
    alive = {str(name) for (name,) in cursor.fetchall()}
    for name in alive - declared.keys():
        cursor.execute("UPDATE ledger_outputs SET retired = TRUE WHERE output = %s", [name])
    for name in declared.keys() - alive:
        record_type = declared[name].record_type.name
        before = _type_count(cursor, record_type) - _records(cursor, name)
        cursor.execute("DELETE FROM ledger_outputs WHERE output = %s", [name])
        cursor.execute(
            "INSERT INTO ledger_outputs (output, record_type, records_at_birth, born_at, retired) "
            "VALUES (%s, %s, %s, %s, FALSE)",
            [name, record_type, before, now],
        )


def _type_count(cursor: Cursor, record_type: str) -> int:
    cursor.execute("SELECT COALESCE(SUM(records), 0) FROM ledger_types WHERE record_type = %s", [record_type])
    return int(str((cursor.fetchone() or (0,))[0]))


def _records(cursor: Cursor, output: str) -> int:
    cursor.execute(f"SELECT COALESCE(SUM(records), 0) FROM {quote(output)}")  # noqa: S608  a declared name
    return int(str((cursor.fetchone() or (0,))[0]))
