"""Where MySQL is, as `HEADRACE_MYSQL_URL` says it."""

import ssl
from ipaddress import ip_address
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from headrace.errors import SettingsError

VARIABLE = "HEADRACE_MYSQL_URL"
_FORM = "mysql://user:password@host:port/database, with ?ssl_ca=/path/to/bundle.pem or ?ssl=off where wanted"


class Address(NamedTuple):
    """A database and the account on it; never printed whole, for it holds the password.

    `ssl_ca` is the file with the certificates to trust, RDS's global bundle for instance; without it the
    machine's own. `ssl` says whether a connection without TLS is refused.
    """

    host: str
    port: int
    user: str
    password: str
    database: str
    ssl: bool
    ssl_ca: str | None

    def __repr__(self) -> str:
        """The place without its password."""
        return f"{self.user}@{self.host}:{self.port}/{self.database}"

    def arguments(self) -> dict[str, Any]:
        """What `pymysql.connect` takes. Raises SettingsError when the certificates cannot be read."""
        place = {"host": self.host, "port": self.port, "user": self.user, "password": self.password}
        return place | {"database": self.database} | self._tls()

    def _tls(self) -> dict[str, Any]:
        if not self.ssl:
            return {"ssl_disabled": True}
        try:
            return {"ssl": ssl.create_default_context(cafile=self.ssl_ca)}
        except OSError as error:
            raise SettingsError(f"{VARIABLE}: ssl_ca {self.ssl_ca}: {error}") from error


def parse(url: str) -> Address:
    """The address that a URL names; TLS is required of every host but this machine unless it says `ssl=off`.

    Raises SettingsError, which does not repeat the URL.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or 3306
    except ValueError as error:
        raise SettingsError(f"{VARIABLE} is no URL: write {_FORM}") from error
    host, database, asked = parts.hostname, parts.path.removeprefix("/"), dict(parse_qsl(parts.query))
    known = asked.keys() <= {"ssl", "ssl_ca"} and asked.get("ssl", "on") in {"on", "off"}
    if parts.scheme != "mysql" or not host or not parts.username or not database or not known:
        raise SettingsError(f"{VARIABLE} is not of the form {_FORM}")
    wanted = asked.get("ssl") == "on" or "ssl_ca" in asked or not _is_loopback(host)
    return Address(
        host=host,
        port=port,
        user=unquote(parts.username),
        password=unquote(parts.password or ""),
        database=unquote(database),
        ssl=wanted and asked.get("ssl") != "off",
        ssl_ca=asked.get("ssl_ca"),
    )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
