"""What the transform function reads from its environment."""

from typing import Annotated

from msgspec import Struct

from headrace.ops.settings import Setting


class TransformSettings(Struct, frozen=True, kw_only=True):
    """Where rejects and metrics go."""

    error_stream: Annotated[
        str, Setting("HEADRACE_ERROR_STREAM", "the stream that the transform function puts rejects to")
    ] = "errors"
    emf_namespace: Annotated[
        str, Setting("HEADRACE_EMF_NAMESPACE", "the namespace of these metrics in CloudWatch")
    ] = "headrace"
