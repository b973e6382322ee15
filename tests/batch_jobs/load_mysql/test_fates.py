import pymysql
import pytest
from pymysql.constants import CR, ER

from batch_jobs.load_mysql.fates import fate_of
from headrace.errors import DatabaseRefused, DatabaseUnavailable


@pytest.mark.parametrize(
    "number",
    [
        CR.CR_CONN_HOST_ERROR,
        CR.CR_SERVER_GONE_ERROR,
        CR.CR_SERVER_LOST,
        ER.LOCK_DEADLOCK,
        ER.LOCK_WAIT_TIMEOUT,
        ER.CON_COUNT_ERROR,
        ER.SERVER_SHUTDOWN,
        ER.OPTION_PREVENTS_STATEMENT,
        ER.QUERY_INTERRUPTED,
    ],
)
def test_what_may_pass_is_tried_again(number: int) -> None:
    assert isinstance(fate_of(pymysql.OperationalError(number, "x")), DatabaseUnavailable)


def test_a_connection_that_was_dropped_is_tried_again() -> None:
    assert isinstance(fate_of(pymysql.InterfaceError(0, "")), DatabaseUnavailable)


@pytest.mark.parametrize(
    "number",
    [ER.DUP_ENTRY, ER.DATA_TOO_LONG, ER.ACCESS_DENIED_ERROR, ER.NO_SUCH_TABLE, ER.PARSE_ERROR, 1148, 2026],
)
def test_what_will_not_change_is_refused_and_the_number_told(number: int) -> None:
    error = fate_of(pymysql.OperationalError(number, "lock wait timeout, deadlock"))
    assert isinstance(error, DatabaseRefused)
    assert str(number) in str(error)
