import select
import socket
import threading
from contextlib import closing, suppress
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import errors

from headrace.errors import SchemaMismatch, SettingsError, WarehouseRefused, WarehouseUnavailable
from headrace.schemas.registry import OUTPUTS
from headrace.warehouse import probe
from headrace.warehouse.engines.postgresql import fate_of
from headrace.warehouse.opening import open_session
from headrace.warehouse.warehouse import connect as connect_url
from headrace.warehouse.warehouse import connect as open_warehouse
from tests.doubles.clock import ManualClock
from tests.warehouse.queries import Connect, Sql, requests
from tests.warehouse.simulation import batch_id, fold_of, good

NOWHERE = "postgresql://nobody@127.0.0.1:1/none"


@pytest.mark.stack
@pytest.mark.parametrize("point", [probe.BEFORE_STAGE, probe.AFTER_STAGE, probe.BEFORE_COMMIT])
def test_a_lost_connection_is_retryable_and_the_retry_counts_once(
    connect: Connect, sql: Sql, point: str
) -> None:
    cut = [point]

    def cut_once(at: str) -> None:
        if cut and at == cut[0]:
            cut.clear()
            sql(
                "select pg_terminate_backend(pid) from pg_stat_activity "
                "where datname = current_database() and pid <> pg_backend_pid()"
            )

    warehouse = connect(probe=cut_once)
    epoch = warehouse.take_epoch("events")
    with pytest.raises(WarehouseUnavailable):
        warehouse.commit(batch_id(0), epoch, fold_of(good(1, 2)))
    assert warehouse.commit(batch_id(0), epoch, fold_of(good(1, 2))).counted == 2
    assert requests(sql) == 2


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (errors.SerializationFailure, WarehouseUnavailable),
        (errors.DeadlockDetected, WarehouseUnavailable),
        (errors.AdminShutdown, WarehouseUnavailable),
        (errors.CannotConnectNow, WarehouseUnavailable),
        (errors.DiskFull, WarehouseUnavailable),
        (errors.TooManyConnections, WarehouseUnavailable),
        (errors.LockNotAvailable, WarehouseUnavailable),
        (errors.IdleInTransactionSessionTimeout, WarehouseUnavailable),
        (errors.ReadOnlySqlTransaction, WarehouseUnavailable),
        (psycopg.OperationalError, WarehouseUnavailable),
        (psycopg.InterfaceError, WarehouseUnavailable),
        (errors.UndefinedTable, SchemaMismatch),
        (errors.UndefinedColumn, SchemaMismatch),
        (errors.InsufficientPrivilege, SettingsError),
        (errors.NumericValueOutOfRange, WarehouseRefused),
        (errors.CardinalityViolation, WarehouseRefused),
        (errors.SyntaxError, WarehouseRefused),
    ],
)
def test_every_error_has_a_fate_by_its_code(error: type[psycopg.Error], expected: type[Exception]) -> None:
    assert type(fate_of(error("the text does not matter"))) is expected


def test_a_warehouse_that_is_not_there_is_retryable() -> None:
    with pytest.raises(WarehouseUnavailable, match="no connection"):
        open_warehouse(NOWHERE, ManualClock()).progress("events")


@pytest.mark.parametrize("url", ["mysql://localhost/x", "nonsense", ""])
def test_a_url_of_another_engine_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="HEADRACE_WAREHOUSE_URL"):
        connect_url(url, ManualClock())


def test_a_malformed_url_is_refused() -> None:
    with pytest.raises(SettingsError, match="HEADRACE_WAREHOUSE_URL"):
        connect_url("postgresql://x?nonsense=1", ManualClock()).progress("events")


@pytest.mark.stack
def test_a_session_speaks_utc_and_does_not_hold_locks_for_ever(url: str) -> None:
    session = open_session(url)
    with session.cursor() as cursor:
        shown = []
        for name in ("timezone", "lock_timeout", "idle_in_transaction_session_timeout"):
            cursor.execute(f"show {name}")
            shown.append(cursor.fetchone())
    session.close()
    assert shown == [("UTC",), ("1min",), ("1min",)]


@pytest.mark.stack
def test_a_snapshot_cannot_write(url: str) -> None:
    session = open_session(url)
    with pytest.raises(WarehouseUnavailable, match="25006"), session.snapshot() as cursor:
        cursor.execute("insert into writer_lock values (1)")
    session.close()


class LostReply:
    """A TCP proxy that lets the next COMMIT through to the server and cuts the line before its reply."""

    def __init__(self, url: str) -> None:
        self._there = (urlsplit(url).hostname, urlsplit(url).port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = url.replace(f":{self._there[1]}/", f":{self._listener.getsockname()[1]}/")
        self.armed = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.create_connection(self._there) as server, suppress(OSError):
            while True:
                ready, _, _ = select.select([client, server], [], [])
                for end in ready:
                    data = end.recv(65_536)
                    if not data:
                        return
                    if end is client and b"COMMIT" in data and self.armed.is_set():
                        self.armed.clear()
                        server.sendall(data)
                        server.recv(65_536)  # the reply: it is committed
                        return
                    (server if end is client else client).sendall(data)

    def close(self) -> None:
        self._listener.close()


@pytest.mark.stack
def test_a_lost_reply_to_commit_is_retryable_and_the_retry_counts_once(url: str, sql: Sql) -> None:
    proxy, lose = LostReply(url), [probe.BEFORE_COMMIT]

    def arm(point: str) -> None:
        if [point] == lose:
            lose.clear()
            proxy.armed.set()

    with closing(proxy), closing(open_warehouse(proxy.url, ManualClock(), probe=arm)) as warehouse:
        warehouse.prepare(list(OUTPUTS.values()))
        epoch = warehouse.take_epoch("events")
        with pytest.raises(WarehouseUnavailable):
            warehouse.commit(batch_id(0), epoch, fold_of(good(1, 2)))
        assert requests(sql) == 2
        assert warehouse.commit(batch_id(0), epoch, fold_of(good(1, 2))).already
        assert warehouse.commit(batch_id(1), epoch, fold_of(good(2, 3))).counted == 1
    assert requests(sql) == 3
