import pytest

from headrace.schemas.codec import Event, Rejection, decode
from headrace.schemas.registry import RECORD_TYPES
from headrace.schemas.reject_codes import RejectCode
from tests.schemas.examples import ROOT, Example, bad_examples, good_examples


@pytest.mark.parametrize("example", good_examples(), ids=str)
def test_a_good_example_is_accepted(example: Example) -> None:
    verdict = decode(example.raw)

    assert isinstance(verdict, Event), verdict
    assert verdict.type == example.record_type


@pytest.mark.parametrize("example", bad_examples(), ids=str)
def test_a_bad_example_is_rejected_with_the_code_in_its_name(example: Example) -> None:
    verdict = decode(example.raw)

    assert isinstance(verdict, Rejection), verdict
    assert verdict.code == example.code, verdict.errors
    assert verdict.errors
    assert verdict.raw == example.raw


def test_every_record_type_has_good_and_bad_examples_and_no_example_is_an_orphan() -> None:
    assert {example.record_type for example in good_examples()} == set(RECORD_TYPES)
    assert {example.record_type for example in bad_examples()} == set(RECORD_TYPES)
    assert {folder.name for folder in ROOT.iterdir()} == set(RECORD_TYPES)


def test_every_code_that_the_codec_gives_has_an_example() -> None:
    not_from_bytes = {
        RejectCode.TOO_LARGE,  # 1 MiB is no file to keep: test_codec makes one
        RejectCode.UNPARSABLE_LINE,
        RejectCode.DAMAGED_ENTRY,
        RejectCode.TOO_SCATTERED,
        RejectCode.JOB_FAULT,
        RejectCode.MIXED_AGGREGATE,
        RejectCode.TRANSFORM_FAULT,
        RejectCode.RESPONSE_FULL,
        RejectCode.FIELD_COUNT,
        RejectCode.DUPLICATE_KEY,
    }
    assert {example.code for example in bad_examples()} == set(RejectCode) - not_from_bytes
