"""Commands that must not run as root: a database server insists on it."""

import os
from pathlib import Path

_MAY_SET_SECURE_BITS = 1 << 8  # CAP_SETPCAP


def unprivileged(command: list[str]) -> list[str]:
    """The command as a database server insists on it: not as root.

    For root the account `nobody` runs it, with the one privilege to pass through folders that are closed to
    it (root's home, for instance), so that no folder has to be opened to others.
    """
    if os.geteuid() != 0:
        return command
    user = nobody()
    drop = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--no-new-privs"]
    return [*drop, *_passage(), "--", *command]


def nobody() -> int:
    """The user id of the account that owns nothing."""
    import pwd  # noqa: PLC0415  not on every system, and needed by root only

    return pwd.getpwnam("nobody").pw_uid


def _passage() -> list[str]:
    """The options of setpriv that keep the privilege; containers often grant only the wider one of the two.

    The secure bit makes it count for access(2) as well, by which PostgreSQL looks for its programs.
    """
    status = Path("/proc/self/status").read_text()
    held = int(status.partition("CapEff:")[2].split()[0], 16)
    for bit, capability in ((2, "dac_read_search"), (1, "dac_override")):
        if held & 1 << bit and held & _MAY_SET_SECURE_BITS:
            keep = [f"--inh-caps=+{capability}", f"--ambient-caps=+{capability}"]
            return [*keep, "--securebits=+no_setuid_fixup"]
    return []
