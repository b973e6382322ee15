import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pymysql
import pytest

from batch_jobs.load_mysql import chunks, ledger, loader
from batch_jobs.load_mysql.address import Address
from batch_jobs.load_mysql.loader import Loader
from batch_jobs.load_mysql.partitions import Partitions
from batch_jobs.load_mysql.staging import Stage
from batch_jobs.manifest import Output
from batch_jobs.storage import Storage
from headrace.errors import BatchBusy, DatabaseRefused, DatabaseUnavailable, LoadMismatch
from headrace.schemas.tables import INT, Column, Table, text
from tests.doubles.clock import ManualClock

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("mysql")]

TABLE = Table("book", (Column("name", text(20)), Column("n", INT, nullable=True), Column("vintage", text(6))))
KEY = ("name",)
CONTENT = "SELECT name, n, vintage FROM book ORDER BY vintage, name"
Made = Callable[..., Loader]
Sql = Callable[..., Any]
Write = Callable[..., Output]


class Stopped(BaseException):
    """Ends a load where it is, as Ctrl-C does."""


def rows(vintage: str, *names: str, n: int | None = 1) -> list[dict[str, Any]]:
    return [{"name": name, "n": n, "vintage": vintage} for name in names]


def content(*found: dict[str, Any]) -> tuple[tuple[Any, ...], ...]:
    return tuple(sorted((tuple(row.values()) for row in found), key=lambda row: (row[2], row[0])))


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "ROWS", 2)


@pytest.fixture
def made(place: Address, storage: Storage, clock: ManualClock) -> Iterator[Made]:
    """Makes loaders, and closes them."""
    opened: list[Loader] = []

    def make(**options: Any) -> Loader:
        opened.append(Loader(place, storage, clock, **options))
        return opened[-1]

    yield make
    for each in opened:
        each.close()


def test_a_partition_is_loaded_once_and_leaves_nothing_beside(made: Made, partition: Write, sql: Sql) -> None:
    files = rows("2005Q1", "a", "b", "c"), rows("2005Q1", "d", "e", n=None)
    output, told = partition(TABLE, "2005Q1", *files), list[int]()
    assert not made(advance=told.append).load(TABLE, KEY, output).already
    assert made().load(TABLE, KEY, output).already
    assert sum(told) == 5
    assert sql(CONTENT) == content(*files[0], *files[1])
    assert sql("SHOW TABLES") == (("batch_load_chunks",), ("batch_loads",), ("book",))
    assert sql("SELECT COUNT(*) FROM batch_load_chunks") == ((0,),)
    assert sql("SELECT table_name, vintage, input_name, row_count FROM batch_loads") == (
        ("book", "2005Q1", "2005Q1.txt", 5),
    )


def test_a_re_delivered_quarter_replaces_its_own_rows_and_no_others(
    made: Made, partition: Write, sql: Sql
) -> None:
    first, second = rows("2005Q1", "a", "b", "c"), rows("2005Q2", "a", "d")
    made().load(TABLE, KEY, partition(TABLE, "2005Q1", first))
    made().load(TABLE, KEY, partition(TABLE, "2005Q2", second, sha256="b" * 64))
    anew = rows("2005Q1", "a", "e", n=7)
    found = made().load(TABLE, KEY, partition(TABLE, "2005Q1", anew, sha256="c" * 64))
    assert (found.rows, found.already) == (2, False)
    assert sql(CONTENT) == content(*anew, *second)
    empty = partition(TABLE, "2005Q1", [], sha256="d" * 64)
    made().load(TABLE, KEY, empty)
    assert sql(CONTENT) == content(*second)
    assert made().load(TABLE, KEY, empty).already


def test_the_same_input_is_loaded_anew_when_that_is_asked_for(made: Made, partition: Write, sql: Sql) -> None:
    output = partition(TABLE, "2005Q1", rows("2005Q1", "a"))
    made().load(TABLE, KEY, output)
    sql("DELETE FROM book")
    assert made().load(TABLE, KEY, output).already
    assert not made().load(TABLE, KEY, output, again=True).already
    assert sql(CONTENT) == content(*rows("2005Q1", "a"))


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("a", "b", "c", "d", "b"), "1062.*'b-2005Q1'"),  # in different chunks
        (("a", "b", "c", "c"), "1062.*'c-2005Q1'"),
        (("a", "b", "c ", "d", "c"), "1062.*'c ?-2005Q1'"),
    ],
    ids=["across chunks", "in a chunk", "trailing blanks"],
)
def test_a_key_that_is_not_unique_is_refused_and_the_partition_stays_as_it_was(
    made: Made, partition: Write, sql: Sql, *, names: tuple[str, ...], said: str
) -> None:
    before = rows("2005Q1", "x", "y")
    made().load(TABLE, KEY, partition(TABLE, "2005Q1", before))
    with pytest.raises(DatabaseRefused, match=said):
        made().load(TABLE, KEY, partition(TABLE, "2005Q1", rows("2005Q1", *names), sha256="b" * 64))
    assert sql(CONTENT) == content(*before)


def test_a_row_of_another_vintage_is_refused(made: Made, partition: Write, sql: Sql) -> None:
    mixed = [*rows("2005Q1", "a", "b", "c"), *rows("2005Q2", "d")]
    with pytest.raises(LoadMismatch, match=r"another vintage.*'d'"):
        made().load(TABLE, KEY, partition(TABLE, "2005Q1", mixed))
    assert sql(CONTENT) == ()


@pytest.mark.parametrize("vintage", ["2005Q5", "x`; DROP TABLE book; --"])
def test_what_is_no_vintage_makes_no_partition(made: Made, partition: Write, vintage: str) -> None:
    output = msgspec.structs.replace(partition(TABLE, "2005Q1", []), vintage=vintage)
    with pytest.raises(LoadMismatch, match="no vintage"):
        made().load(TABLE, KEY, output)


def test_a_manifest_that_counts_other_rows_than_its_file_is_refused(
    made: Made, partition: Write, sql: Sql
) -> None:
    output = partition(TABLE, "2005Q1", rows("2005Q1", "a", "b", "c"))
    file = msgspec.structs.replace(output.files[0], rows=2)
    wrong = msgspec.structs.replace(output, rows=2, rows_in=2, files=(file,))
    with pytest.raises(LoadMismatch, match="3 rows"):
        made().load(TABLE, KEY, wrong)
    assert sql(CONTENT) == ()


def test_rows_that_are_lost_on_the_way_are_missed(
    made: Made, partition: Write, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    swap = Partitions.swap

    def lose_one(self: Partitions, cursor: Any, vintage: str, load_id: int, count: int) -> None:
        cursor.execute(f"DELETE FROM {self.beside(load_id)} LIMIT 1")
        swap(self, cursor, vintage, load_id, count)

    monkeypatch.setattr(Partitions, "swap", lose_one)
    with pytest.raises(LoadMismatch, match="4 rows came in, the files hold 5"):
        made().load(TABLE, KEY, partition(TABLE, "2005Q1", rows("2005Q1", *"abcde")))
    assert sql(CONTENT) == ()


@pytest.mark.parametrize(
    ("owner", "step"),
    [
        (Partitions, "make_beside"),
        (Stage, "insert"),
        (Partitions, "swap"),
        (ledger, "finish"),
        (Partitions, "drop_beside"),
    ],
    ids=["begun", "a chunk inserted", "swapped", "written down", "dropped"],
)
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_load_that_is_stopped_anywhere_is_finished_by_the_next(
    made: Made,
    partition: Write,
    sql: Sql,
    monkeypatch: pytest.MonkeyPatch,
    *,
    owner: Any,
    step: str,
    when: str,
) -> None:
    made().load(TABLE, KEY, partition(TABLE, "2005Q1", rows("2005Q1", "x", "y")))
    anew = rows("2005Q1", *"abcdefg")
    output = partition(TABLE, "2005Q1", anew[:3], anew[3:], sha256="b" * 64)
    plain = getattr(owner, step)

    def stop(*arguments: Any) -> None:
        if when == "after":
            plain(*arguments)
        raise Stopped

    with monkeypatch.context() as patch:
        patch.setattr(owner, step, stop)
        with pytest.raises(Stopped):
            made().load(TABLE, KEY, output)
    assert sql(CONTENT) in (content(*rows("2005Q1", "x", "y")), content(*anew))
    made().load(TABLE, KEY, output)
    assert sql(CONTENT) == content(*anew)
    assert sql("SHOW TABLES") == (("batch_load_chunks",), ("batch_loads",), ("book",))
    assert sql("SELECT COUNT(*) FROM batch_loads WHERE loaded_at IS NULL") == ((0,),)
    assert made().load(TABLE, KEY, output).already


def test_a_resumed_load_brings_in_the_missing_chunks_only(
    made: Made, partition: Write, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = partition(TABLE, "2005Q1", rows("2005Q1", *"abcdefgh"))
    inserts: list[int] = []
    plain = Stage.insert

    def count(self: Stage, *arguments: Any) -> None:
        plain(self, *arguments)
        inserts.append(1)
        if len(inserts) >= 3:
            raise Stopped

    monkeypatch.setattr(Stage, "insert", count)
    with pytest.raises(Stopped):
        made(connections=1).load(TABLE, KEY, output)
    ((done,),) = sql("SELECT COUNT(*) FROM batch_load_chunks")
    assert done == 2
    brought: list[int] = []
    fill = Stage.fill

    def count_fill(self: Stage, *arguments: Any) -> None:
        brought.append(1)
        fill(self, *arguments)

    monkeypatch.setattr(Stage, "insert", plain)
    monkeypatch.setattr(Stage, "fill", count_fill)
    made().load(TABLE, KEY, output)
    assert len(brought) == 2
    assert sql(CONTENT) == content(*rows("2005Q1", *"abcdefgh"))


@pytest.mark.parametrize("other", ["input", "files"])
def test_a_stopped_load_of_other_files_is_dropped(
    made: Made, partition: Write, sql: Sql, monkeypatch: pytest.MonkeyPatch, other: str
) -> None:
    first = partition(TABLE, "2005Q1", rows("2005Q1", *"abcde"))
    with monkeypatch.context() as patch:
        patch.setattr(Partitions, "swap", lambda *_: (_ for _ in ()).throw(Stopped))
        with pytest.raises(Stopped):
            made().load(TABLE, KEY, first)
    split = rows("2005Q1", *"abf")
    sha256 = "b" * 64 if other == "input" else "a" * 64
    made().load(TABLE, KEY, partition(TABLE, "2005Q1", split[:1], split[1:], sha256=sha256))
    assert sql(CONTENT) == content(*split)
    assert sql("SHOW TABLES") == (("batch_load_chunks",), ("batch_loads",), ("book",))


def test_two_loads_of_one_table_do_not_meet(
    made: Made, partition: Write, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loader, "_LOCK_SECONDS", 0)
    output, refused = partition(TABLE, "2005Q1", rows("2005Q1", "a")), list[BatchBusy]()

    def load_too(_rows: int) -> None:
        with pytest.raises(BatchBusy) as error:
            made().load(TABLE, KEY, output)
        refused.append(error.value)

    made(advance=load_too).load(TABLE, KEY, output)
    assert refused
    assert sql(CONTENT) == content(*rows("2005Q1", "a"))


def test_a_connection_that_is_killed_at_work_costs_its_chunk_another_try(
    made: Made, partition: Write, sql: Sql, monkeypatch: pytest.MonkeyPatch, clock: ManualClock
) -> None:
    plain, killed, began = Stage.insert, list[int](), clock.monotonic()

    def kill_once(self: Stage, cursor: Any, *arguments: Any) -> None:
        plain(self, cursor, *arguments)
        if not killed:
            killed.append(cursor.connection.thread_id())
            sql("KILL %s", killed[0])

    monkeypatch.setattr(Stage, "insert", kill_once)
    made(connections=1).load(TABLE, KEY, partition(TABLE, "2005Q1", rows("2005Q1", *"abcde")))
    assert killed
    assert clock.monotonic() > began
    assert sql(CONTENT) == content(*rows("2005Q1", *"abcde"))


def test_a_lost_answer_to_a_commit_doubles_nothing(
    made: Made, partition: Write, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, lost = pymysql.cursors.Cursor.execute, list[str]()

    def lose_once(self: Any, query: str, args: Any = None) -> int:
        count = plain(self, query, args)
        if query == "COMMIT" and len(lost) < 2:
            lost.append(query)
            raise pymysql.OperationalError(2013, "Lost connection to MySQL server during query")
        return count

    monkeypatch.setattr(pymysql.cursors.Cursor, "execute", lose_once)
    made().load(TABLE, KEY, partition(TABLE, "2005Q1", rows("2005Q1", *"abcde")))
    assert len(lost) == 2
    assert sql(CONTENT) == content(*rows("2005Q1", *"abcde"))


def test_a_deadlock_is_tried_again_for_a_while_and_then_told(
    made: Made, partition: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[int] = []

    def deadlock(*_arguments: Any) -> None:
        tries.append(1)
        raise pymysql.OperationalError(1213, "Deadlock found")

    monkeypatch.setattr(Stage, "insert", deadlock)
    with pytest.raises(DatabaseUnavailable, match="1213"):
        made(connections=1).load(TABLE, KEY, partition(TABLE, "2005Q1", rows("2005Q1", "a")))
    assert len(tries) > 5


@pytest.mark.crash
def test_a_load_that_is_killed_in_its_middle_is_finished_by_the_next(
    made: Made, partition: Write, storage: Storage, sql: Sql, *, url: str, tmp_path: Path
) -> None:
    names = [f"name {number:03d}" for number in range(60)]
    output = partition(TABLE, "2005Q1", rows("2005Q1", *names[:30]), rows("2005Q1", *names[30:]))
    (tmp_path / "output.json").write_bytes(msgspec.json.encode(output))
    program = f"""
import os, signal, sys, threading
import msgspec
from batch_jobs.load_mysql import chunks
from batch_jobs.load_mysql.address import parse
from batch_jobs.load_mysql.loader import Loader
from batch_jobs.manifest import Output
from batch_jobs.storage import Storage
from headrace.ops.clock import SystemClock
from headrace.schemas.tables import INT, Column, Table, text
chunks.ROWS = 2
left = threading.Semaphore(8)
def die_in_the_middle(rows):
    if rows and not left.acquire(blocking=False):
        os.kill(os.getpid(), signal.SIGKILL)
table = Table("book", (Column("name", text(20)), Column("n", INT, nullable=True), Column("vintage", text(6))))
output = msgspec.json.decode(open(sys.argv[1], "rb").read(), type=Output)
storage = Storage(sys.argv[2], {{}})
Loader(parse({url!r}), storage, SystemClock(), advance=die_in_the_middle).load(table, ("name",), output)
"""
    killed = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "output.json"), storage.root],
        cwd=Path(loader.__file__).parents[2],
        env=dict(os.environ),
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    ((done,),) = sql("SELECT COUNT(*) FROM batch_load_chunks")
    assert 8 <= done < 30
    made().load(TABLE, KEY, output)
    assert sql(CONTENT) == content(*rows("2005Q1", *names))
