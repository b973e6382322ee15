"""The images of what runs on ECS: their Dockerfiles, their locks, and what is copied into them alone."""

from pathlib import Path

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parents[1]

USER = 65532
"""The user and the group in each image: nobody's, without any right."""

STATE = "/var/lib/headrace"
"""The one folder that a process may write."""

FILES = "/run/headrace"
"""Where write_files.py puts the files that a task is given."""

WRITE_FILES = ("python", "/opt/headrace/write_files.py", FILES)
PRODUCER_HEALTH = (
    "python",
    "-c",
    (
        "import os, urllib.request as u; "
        "u.urlopen('http://127.0.0.1:' + os.environ['HEADRACE_HEALTH_PORT'] + '/healthz', timeout=4)"
    ),
)
"""As its Dockerfile says, which ECS does not read: whether the producer works."""

DESK_HEALTH = (
    "python",
    "-c",
    (
        "import http.client as h, os; "
        "c = h.HTTPConnection('127.0.0.1:' + os.environ['HEADRACE_HEALTH_PORT'], timeout=4); "
        "c.request('GET', '/healthz'); c.getresponse()"
    ),
)
"""The same: whether the desk answers. One that waits for the warehouse says so, and is left to wait."""
