"""One other Python producer sends the lines of a file, each under its user's key; in a Python of its own.

.venv-bench-peers/bin/python bench/producer_faults_peer.py kiner http://127.0.0.1:4567 lines.ndjson
"""

import importlib
import re
import sys
from pathlib import Path

_USER = re.compile(rb'"user_id":"([^"]+)"')


def main() -> None:
    """Send; the exit code says whether it came to its end."""
    peer, url, path = sys.argv[1:]
    lines = Path(path).read_bytes().splitlines()
    peers = importlib.import_module("producer_peers").PEERS  # it stands beside this file, which is a script
    peers[peer](url, [(found[1].decode(), line) for line in lines if (found := _USER.search(line))])


if __name__ == "__main__":
    main()
