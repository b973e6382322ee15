import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.schemas.codec import Event, Rejection, decode, encode
from headrace.schemas.records.wiki_edit import WikiEdit, length_delta
from tests.schemas.test_codec import TIME

lengths = st.none() | st.integers(0, 2**53 - 1)


@pytest.mark.parametrize(
    ("old", "new", "grown"),
    [
        (9807, 10480, 673),
        (10480, 9807, -673),
        (9, 9, 0),
        (None, 512, 512),
        (None, None, None),
        (512, None, None),
    ],
)
def test_a_page_grows_by_the_difference_and_a_new_one_by_all_of_it(
    old: int | None, new: int | None, grown: int | None
) -> None:
    assert length_delta(old, new) == grown


@given(lengths, lengths)
def test_an_edit_with_its_own_difference_is_always_good(old: int | None, new: int | None) -> None:
    edit = WikiEdit(
        event_id="7",
        wiki="enwiki",
        kind="edit",
        length_old=old,
        length_new=new,
        length_delta=length_delta(old, new),
    )
    event = decode(encode("feed", 1, TIME, edit))
    assert isinstance(event, Event)
    assert event.data == edit


def test_another_difference_is_refused_by_python_and_by_the_codec_alike() -> None:
    with pytest.raises(ValueError, match="length_delta"):
        WikiEdit(event_id="7", wiki="enwiki", kind="edit", length_old=1, length_new=2, length_delta=2)
    edit = WikiEdit(event_id="7", wiki="enwiki", kind="edit", length_old=1, length_new=2, length_delta=1)
    verdict = decode(encode("feed", 1, TIME, edit).replace(b'"length_delta":1', b'"length_delta":2'))
    assert isinstance(verdict, Rejection)
    assert [(error.path, error.message) for error in verdict.errors] == [
        ("$.data", "length_delta is not length_new - length_old")
    ]
