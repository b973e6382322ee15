"""The golden examples as lines of an NDJSON file: the producer's verdict is the codec's."""

import msgspec
import pytest

from headrace.schemas.codec import Event, Rejection, decode
from producers.line_format import choose
from tests.schemas.examples import Example, bad_examples, good_examples

SOURCE, NUMBER = "web-1/A", 7
# A producer writes the envelope itself and takes of a line's own only type, time and data.
DROPPED = {"nul_character-in-extension", "too_deep-extension"}
IN_THE_DATA = [
    example
    for example in bad_examples()
    if example.record_type == "web_access.v1"
    and example.code != "bad_envelope"
    and example.name not in DROPPED
]
GOOD = [example for example in good_examples() if example.record_type == "web_access.v1"]
seal = choose("ndjson", "web_access.v1", None).sealer()


@pytest.mark.parametrize("example", GOOD, ids=str)
def test_a_good_example_is_sent_under_a_new_number(example: Example) -> None:
    sealed = seal(example.raw, SOURCE, NUMBER)
    assert isinstance(sealed, bytes), sealed
    sent, original = decode(sealed), decode(example.raw)
    assert isinstance(sent, Event)
    assert isinstance(original, Event)
    assert (sent.source, sent.sequence) == (SOURCE, f"{NUMBER:016d}")
    assert (sent.data, sent.time) == (original.data, original.time)


@pytest.mark.parametrize("example", IN_THE_DATA, ids=str)
def test_a_bad_example_is_rejected_with_the_same_code(example: Example) -> None:
    verdict = seal(example.raw, SOURCE, NUMBER)
    assert isinstance(verdict, Rejection), msgspec.json.decode(verdict)
    assert verdict.code == example.code
    assert verdict.raw == example.raw
