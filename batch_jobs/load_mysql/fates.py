"""What becomes of an error of MySQL's, decided by its number and never by its text.

Source: MySQL 8.4 Error Message Reference; MariaDB Server Documentation, "MariaDB Error Code Reference".
"""

import ssl

import pymysql

from headrace.errors import DatabaseRefused, DatabaseUnavailable, HeadraceError

DUPLICATE_KEY = 1062

_NO_ANSWER = frozenset({2002, 2003, 2005, 2006, 2012, 2013, 2055})
"""The client's: no connection, or one that was lost on the way."""

_RETRY = frozenset(
    {
        1020,  # record changed since the last read
        1028, 1037, 1038, 1041,  # short of memory
        1040, 1203, 1226,  # too many connections
        1042, 1043, 1047, 1053, 1079, 1080, 1081,  # handshake, shutdown, socket
        1158, 1159, 1160, 1161,  # packets lost
        1184,  # connection aborted
        1205, 1206, 1213, 1614,  # lock wait, lock table full, deadlock
        1290, 1792, 1836,  # read only: a failover
        1317, 3024, 1969,  # interrupted, out of time
        1412,  # the table's definition changed meanwhile
        1637,  # too many transactions
        1927, 3169, 4031,  # the connection was killed
        3168,  # the server is not available
    }
)  # fmt: skip


def fate_of(error: pymysql.Error) -> HeadraceError:
    """The error that callers see."""
    number = number_of(error)
    said = error.args[1] if len(error.args) > 1 else str(error)
    text = f"{type(error).__name__} {number}: {said}"
    if isinstance(getattr(error, "original_exception", None), ssl.SSLError):
        return DatabaseRefused(f"MySQL's certificate is not trusted: {text}")
    if number in _NO_ANSWER or isinstance(error, pymysql.InterfaceError):
        return DatabaseUnavailable(f"no connection to MySQL: {text}")
    if number in _RETRY:
        return DatabaseUnavailable(f"MySQL could not do it now: {text}")
    return DatabaseRefused(f"MySQL refused: {text}")


def number_of(error: pymysql.Error) -> int:
    """MySQL's number of the error; 0 when it has none."""
    number = error.args[0] if error.args else 0
    return number if isinstance(number, int) else 0
