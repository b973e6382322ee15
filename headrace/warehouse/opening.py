"""Which engine a warehouse's address names."""

from urllib.parse import urlsplit

from headrace.errors import SettingsError
from headrace.warehouse.session import Session


def open_session(url: str) -> Session:
    """The session for a warehouse's address; nothing is connected yet. Raises `SettingsError`."""
    # A driver is loaded only where it is used.
    scheme = urlsplit(url).scheme
    if scheme in {"postgresql", "postgres"}:
        from headrace.warehouse.engines.postgresql import PostgresqlSession  # noqa: PLC0415

        return PostgresqlSession(url)
    if scheme == "redshift":
        from headrace.warehouse.engines.redshift import connect  # noqa: PLC0415

        return connect(url)
    raise SettingsError(
        f"HEADRACE_WAREHOUSE_URL: expected postgresql://… or redshift://…, got the scheme {scheme!r}"
    )
