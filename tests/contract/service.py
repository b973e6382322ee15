"""What a contract test is given."""

from dataclasses import dataclass
from typing import Any

from headrace.kinesis.port import Kinesis


@dataclass(frozen=True)
class Service:
    """One Kinesis, as our client and as boto3 see it."""

    name: str
    client: Kinesis
    boto3: Any
