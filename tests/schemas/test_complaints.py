from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Meta

from headrace.schemas.complaints import code_of, split_path
from headrace.schemas.records.reject import Reject
from headrace.schemas.records.web_access import WebAccess
from headrace.schemas.reject_codes import RejectCode


@pytest.mark.parametrize(
    ("kind", "raw", "code"),
    [
        (int, b'"1"', RejectCode.WRONG_TYPE),
        (int, b"1.0", RejectCode.WRONG_TYPE),
        (int, b"true", RejectCode.WRONG_TYPE),
        (str | None, b"[]", RejectCode.WRONG_TYPE),
        (None, b"1", RejectCode.WRONG_TYPE),
        (WebAccess, b"[]", RejectCode.WRONG_TYPE),
        (WebAccess, b"{}", RejectCode.MISSING_FIELD),
        (WebAccess, b'{"x":1}', RejectCode.UNKNOWN_FIELD),
        (Annotated[int, Meta(ge=0)], b"-1", RejectCode.OUT_OF_RANGE),
        (Annotated[int, Meta(le=9)], b"10", RejectCode.OUT_OF_RANGE),
        (Annotated[int, Meta(le=9)], b"9" * 5000, RejectCode.OUT_OF_RANGE),
        (Annotated[float, Meta(lt=9)], b"10", RejectCode.OUT_OF_RANGE),
        (float, b"1e400", RejectCode.OUT_OF_RANGE),
        (Annotated[str, Meta(max_length=1)], b'"ab"', RejectCode.TOO_LONG),
        (Annotated[bytes, Meta(max_length=1)], b'"YWI="', RejectCode.TOO_LONG),
        (Annotated[list[int], Meta(max_length=1)], b"[1,2]", RejectCode.TOO_LONG),
        (Annotated[str, Meta(min_length=1)], b'""', RejectCode.BAD_VALUE),
        (Annotated[str, Meta(pattern="^a$")], b'"b"', RejectCode.BAD_VALUE),
        (bytes, b'"*"', RejectCode.BAD_VALUE),
        (Literal["a"], b'"b"', RejectCode.BAD_VALUE),
    ],
)
def test_each_of_msgspecs_texts_has_its_code(kind: Any, raw: bytes, code: RejectCode) -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.json.decode(raw, type=kind)

    _, message = split_path(str(caught.value), "$")
    assert code_of(message) is code


def test_the_path_of_a_complaint_is_appended_to_where_it_was_read() -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.json.decode(b'{"errors":[{"path":"$","message":1}]}', type=Reject)

    assert split_path(str(caught.value), "$.data") == (
        "$.data.errors[0].message",
        "Expected `str`, got `int`",
    )
