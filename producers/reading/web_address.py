"""The settings that lead to somebody else's server, checked before anything is asked of it."""

import re
import ssl
from urllib.parse import urlsplit

from headrace.errors import SettingsError

_AUTHORITY = re.compile(r"(?s)^(?:[^/?#]*://)?([^/?#]*).*$")


def check_server(url: str, proxy: str | None, ca_file: str | None) -> None:
    """Raise SettingsError for what cannot lead to a server, or holds a password."""
    _check_address("url", url)
    if proxy is not None:
        _check_address("proxy", proxy)
    if ca_file is not None:
        _check_authorities(ca_file)


def _check_address(setting: str, url: str) -> None:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if "@" in _AUTHORITY.sub(r"\1", url):
        raise SettingsError(f"{setting}: leave the user and the password out, it is shown and logged")
    if not usable or any(character <= " " for character in url):
        raise SettingsError(
            f"{setting} {url!r} is no address: it begins with https:// (or http://) and a host"
        )


def _check_authorities(path: str) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except ssl.SSLError as error:
        raise SettingsError(f"ca_file {path} cannot be used: no certificate is in it") from error
    except OSError as error:
        raise SettingsError(f"ca_file {path} cannot be used: {error.strerror}") from error
