"""The server's certificate, from files that may change while the daemon runs."""

import ssl
from pathlib import Path

from headrace.errors import SettingsError
from headrace.ops.logs import get_logger


class Certificate:
    """`context` serves TLS 1.2 and later."""

    def __init__(self, certificate: Path, private_key: Path) -> None:
        """Raises SettingsError when the files do not make a certificate."""
        self._paths = (certificate, private_key)
        self._state = self._look()
        try:
            self.context = self._load()
        except (OSError, ValueError) as error:
            raise SettingsError(f"certificate {certificate}, private key {private_key}: {error}") from error

    def refresh(self) -> None:
        """Load the files again where they have changed; the old ones serve until the new ones fit."""
        state = self._look()
        if state == self._state:
            return
        self._state = state
        try:
            self._load()
            self.context.load_cert_chain(*self._paths)
        except (OSError, ValueError) as error:
            get_logger().warning("the new certificate is not taken", problem=str(error))
        else:
            get_logger().info("the certificate has changed")

    def _load(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(*self._paths, password=_no_password)
        return context

    def _look(self) -> list[tuple[int, int, int] | None]:
        return [_state_of(path) for path in self._paths]


def _state_of(path: Path) -> tuple[int, int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


def _no_password() -> str:
    """An encrypted key would ask at the terminal."""
    raise ValueError("the private key is encrypted, which a daemon cannot open")
