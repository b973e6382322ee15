import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.schemas.event import MAX_SEQUENCE, format_sequence, is_sequence, is_source


@given(st.integers(1, MAX_SEQUENCE), st.integers(1, MAX_SEQUENCE))
def test_sequences_sort_as_text_like_their_numbers(one: int, other: int) -> None:
    assert (format_sequence(one) < format_sequence(other)) == (one < other)
    assert is_sequence(format_sequence(one))
    assert int(format_sequence(one)) == one


@pytest.mark.parametrize("number", [0, -1, MAX_SEQUENCE + 1])
def test_a_number_outside_the_range_has_no_sequence(number: int) -> None:
    with pytest.raises(ValueError, match="sequence"):
        format_sequence(number)


@given(st.text(alphabet=st.sampled_from("0123456789 +-_٣²"), max_size=18))
def test_a_sequence_is_16_ascii_digits_in_the_range(text: str) -> None:
    expected = len(text) == 16 and set(text) <= set("0123456789") and 1 <= int(text) <= MAX_SEQUENCE

    assert is_sequence(text) == expected


@pytest.mark.parametrize("text", ["a", "web-7/01J", "a b", "ü" * 128, "s" * 256, "😀" * 64])
def test_a_source_is_up_to_256_bytes_of_text(text: str) -> None:
    assert is_source(text)


@pytest.mark.parametrize("text", ["", "ü" * 129, "s" * 257, "a\n", "\0", "a\x7f", "\x85", "\ud800"])
def test_a_source_has_no_control_characters_and_at_most_256_bytes(text: str) -> None:
    assert not is_source(text)
