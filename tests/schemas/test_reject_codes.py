import re

import msgspec

from headrace.schemas.reject_codes import RejectCode, Stage


def test_every_code_is_a_plain_text_with_a_meaning_of_one_line() -> None:
    for code in RejectCode:
        assert re.fullmatch(r"[a-z][a-z_]*", code)
        assert code.meaning.endswith(".")
        assert "\n" not in code.meaning
        assert RejectCode(str(code)) is code


def test_codes_and_stages_travel_as_their_text() -> None:
    assert msgspec.json.encode([RejectCode.NOT_JSON, Stage.PRODUCER]) == b'["not_json","producer"]'
