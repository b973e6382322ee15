"""The way to a warehouse that its address names, for who reads or migrates it."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from headrace.ops.clock import Clock
from headrace.warehouse.reader import Operator, Reader


def open_operator(url: str, clock: Clock, environ: Mapping[str, str]) -> Operator:
    """The warehouse at `url`, with the rights of its user; nothing is asked yet. Raises `SettingsError`.

    `environ` names AWS's credentials and endpoint where a scheme needs them.
    """
    # What only one scheme needs is loaded only for it.
    if urlsplit(url).scheme == "redshift-data":
        from headrace.warehouse.data_api_address import connect  # noqa: PLC0415

        return connect(url, clock, environ)
    from headrace.warehouse.opening import open_session  # noqa: PLC0415
    from headrace.warehouse.session_operator import SessionOperator  # noqa: PLC0415

    return SessionOperator(open_session(url))


def open_analyst(url: str, clock: Clock, environ: Mapping[str, str]) -> Reader:
    """The warehouse at `url` as an analyst sees it: read-only, in the analysts' role where one can change it.

    On Redshift the user is whoever the AWS credentials stand for, and has what that user was granted. Raises
    `SettingsError`.
    """
    scheme = urlsplit(url).scheme
    if scheme in {"postgresql", "postgres"}:
        from headrace.warehouse.engines.postgresql_analyst import PostgresqlAnalyst  # noqa: PLC0415

        return PostgresqlAnalyst(url)
    if scheme == "redshift":
        from headrace.warehouse.opening import open_session  # noqa: PLC0415
        from headrace.warehouse.session_operator import SessionOperator  # noqa: PLC0415

        return SessionOperator(open_session(url), questions_only=True)
    return open_operator(url, clock, environ)
