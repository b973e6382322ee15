"""Who may post: bearer tokens (RFC 6750) from a file that may change while the daemon runs."""

from collections.abc import Mapping
from hmac import compare_digest
from pathlib import Path

from headrace.errors import SettingsError
from headrace.ops.logs import get_logger

_SCHEME = "bearer "


class Tokens:
    """One token per line; each of them opens, so that they can be changed one after the other."""

    def __init__(self, path: Path) -> None:
        """Raises SettingsError when the file gives no token."""
        self._path = path
        self._tokens: list[bytes] = []
        self._state: object = None
        self.refresh()
        if not self._tokens:
            raise SettingsError(f"token file {path}: cannot be read, or holds no token (one per line)")

    def refresh(self) -> None:
        """Read the file again where it has changed; a file that is gone lets nobody in."""
        try:
            stat = self._path.stat()
            state: object = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
            if state != self._state:
                self._tokens = [line.strip() for line in self._path.read_bytes().splitlines() if line.strip()]
        except OSError:
            state, self._tokens = "gone", []
        if self._state is not None and state != self._state:
            get_logger().info("the file of bearer tokens has changed", lines=len(self._tokens))
        self._state = state

    def admit(self, headers: Mapping[str, str]) -> bool:
        """Whether a request brings one of the tokens; it takes as long for any wrong one."""
        given = headers.get("authorization", "")
        if given[: len(_SCHEME)].lower() != _SCHEME:
            return False
        candidate = given[len(_SCHEME) :].strip().encode()
        return any([compare_digest(candidate, token) for token in self._tokens])  # noqa: C419  all, always
