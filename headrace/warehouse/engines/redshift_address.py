"""Where a Redshift Serverless is, and where COPY loads from: the parts of a `redshift://` address."""

from typing import NamedTuple, Self
from urllib.parse import parse_qsl, unquote, urlsplit

from headrace.errors import SettingsError

FORM = "redshift://HOST:5439/DATABASE?workgroup=W&region=R&staging=s3://BUCKET/PREFIX&copy_role=ARN"
_PORT = 5439
_OPTIONS = frozenset({"workgroup", "region", "staging", "copy_role"})


class Address(NamedTuple):
    """The parts; `prefix` of the staging bucket is without slashes at its ends, and may be ''."""

    host: str
    port: int
    database: str
    workgroup: str
    region: str
    bucket: str
    prefix: str
    copy_role: str

    @classmethod
    def of(cls, url: str) -> Self:
        """The parts of an address. Raises `SettingsError`."""
        try:
            place = urlsplit(url)
            options = dict(parse_qsl(place.query, strict_parsing=True))
            staging, port = urlsplit(options.get("staging", "")), place.port
        except ValueError as error:
            raise SettingsError(f"HEADRACE_WAREHOUSE_URL: {error}; expected {FORM}") from error
        database = unquote(place.path.removeprefix("/"))
        whole = options.keys() == _OPTIONS and staging.scheme == "s3" and staging.netloc
        if not (whole and place.hostname and database) or place.username or "/" in database:
            raise SettingsError(f"HEADRACE_WAREHOUSE_URL: expected {FORM}, every part of it and no other")
        return cls(
            place.hostname,
            port or _PORT,
            database,
            options["workgroup"],
            options["region"],
            staging.netloc,
            staging.path.strip("/"),
            options["copy_role"],
        )
