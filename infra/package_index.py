"""Where packages come from: uv asks the index that pip is configured to use here.

Standard library only: set-up runs it before anything is installed.
"""

import re
import subprocess
from collections.abc import Mapping


def as_pip_is_set_up(environ: Mapping[str, str], python: str) -> dict[str, str]:
    """The environment for uv: the package index and certificates of the pip of this Python."""
    given = {"UV_HTTP_TIMEOUT": "180", **environ}
    given.pop("VIRTUAL_ENV", None)
    pip = [python, "-m", "pip", "config", "list"]
    listed = subprocess.run(pip, env=given, capture_output=True, text=True, check=False).stdout
    found = dict(re.findall(r"^[\w:]+\.([\w-]+)='(.*)'$", listed, flags=re.MULTILINE))
    for option, variable in (
        ("index-url", "UV_DEFAULT_INDEX"),
        ("extra-index-url", "UV_INDEX"),
        ("cert", "SSL_CERT_FILE"),
    ):
        if option in found:
            given.setdefault(variable, found[option])
    return given
