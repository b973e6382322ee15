"""`producer_status.v1`: how far one source has come, said by its producer every few seconds."""

from typing import Annotated

from msgspec import Meta, Struct

from headrace.schemas.record_type import RecordType

Number = Annotated[int, Meta(ge=0, le=2**53 - 1)]


class ProducerStatus(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """Counters only grow, so that copies and old statuses merge by GREATEST."""

    spooled: Annotated[Number, Meta(description="the highest number given out")]
    acknowledged: Annotated[Number, Meta(description="the end of the unbroken run 1.. that Kinesis took")]
    closed: Annotated[bool, Meta(description="no number will follow")] = False

    def __post_init__(self) -> None:
        """Refuse a status that acknowledges more than was spooled."""
        if self.acknowledged > self.spooled:
            raise ValueError("acknowledged is larger than spooled")


PRODUCER_STATUS = RecordType(
    name="producer_status.v1",
    data=ProducerStatus,
    description="How far one source has come; it carries no number of its own.",
    numbered=False,
)
