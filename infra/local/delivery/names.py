"""The names that a delivery stream, its stream and its function have at AWS."""

from dataclasses import dataclass


def delivery_stream(stream: str) -> str:
    """The delivery stream of a stream."""
    return f"headrace-{stream}"


@dataclass(frozen=True)
class Names:
    """Those around one stream, whose ARN gives region and account."""

    stream_arn: str
    function: str

    @property
    def region(self) -> str:
        """Where all of them are."""
        return self.stream_arn.split(":")[3]

    @property
    def delivery(self) -> str:
        """The delivery stream's name."""
        return delivery_stream(self.stream_arn.rpartition("/")[2])

    @property
    def delivery_arn(self) -> str:
        """The delivery stream's ARN."""
        return f"arn:aws:firehose:{self.region}:{self._account}:deliverystream/{self.delivery}"

    @property
    def function_arn(self) -> str:
        """The function's ARN, as error objects tell it."""
        return f"arn:aws:lambda:{self.region}:{self._account}:function:{self.function}:$LATEST"

    @property
    def _account(self) -> str:
        return self.stream_arn.split(":")[4]
