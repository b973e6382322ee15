import io

import pytest

from batch_jobs.ingest.census import take_census
from batch_jobs.ingest.names import loan_name
from batch_jobs.ingest.verdict import Verdict, judge
from headrace.errors import InputRefused
from tests.batch_jobs.ingest.loan_text import line, originations, performance


def verdict(name: str, data: bytes) -> Verdict:
    found = loan_name(name, name)
    assert found is not None
    return judge(take_census(io.BytesIO(data), name, chunk=1 << 16), found, name)


@pytest.mark.parametrize("layout", ["r47", "legacy"])
def test_the_layout_is_told_by_the_number_of_fields(layout: str) -> None:
    assert verdict("orig_2005Q1.txt", originations(layout=layout)).layout == layout
    assert verdict("historical_data_time_2005Q1.txt", performance(layout=layout)).layout == layout


def test_a_row_that_ends_in_a_bar_has_35_fields() -> None:
    data = performance()
    assert data.splitlines()[0].endswith(b"|")
    assert verdict("perf_2005Q1.txt", data).layout == "r47"


def test_a_line_end_of_two_characters_changes_nothing() -> None:
    data = performance(losses=("10.00",)).replace(b"\n", b"\r\n")
    assert verdict("perf_2005Q1.txt", data) == Verdict("r47", "positive", 0)


def test_most_lines_decide_and_the_others_are_counted() -> None:
    data = line(27, {}) + originations(3) + b"\n" + b"\0\0\0\n" + originations(2, first=9)
    assert verdict("orig_2005Q1.txt", data) == Verdict("r47", "positive", 3)


@pytest.mark.parametrize(
    ("layout", "losses", "told"),
    [
        ("r47", ("10.00", "20.00", "-1.00"), "positive"),
        ("r47", ("-10.00", "-20.00", "-30.00", "-5.00", "0.01"), "negative"),
        ("r47", ("-10.00", "-20.00"), "positive"),  # two gains
        ("legacy", ("-10.00", "-20.00", "999999.00"), "negative"),
        ("legacy", ("10.00",), "negative"),  # a gain
        ("legacy", ("0.00", "0.00", "", "U", "7.00", "8.00", "9.00"), "positive"),
        ("r47", (), "positive"),
        ("legacy", ("", "0.00"), "negative"),
    ],
)
def test_the_sign_of_a_loss_is_the_layouts_unless_liquidations_clearly_have_the_other(
    layout: str, losses: tuple[str, ...], told: str
) -> None:
    assert verdict("perf_2005Q1.txt", performance(layout=layout, losses=losses)).losses == told


def test_no_loss_is_looked_for_in_originations() -> None:
    data = line(32, {9: "15", 20: "F05Q10000001", 22: "360"})
    assert verdict("historical_data_2005Q1.txt", data).losses == "negative"


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("orig_2005Q1.txt", b"", "orig_2005Q1.txt is empty"),
        ("orig_2005Q1.txt", originations(1) + line(27, {}) * 3, "line 2 has 27 fields, as 3 of 4 lines"),
        ("perf_2005Q1.txt", line(25, {}), "line 1 has 25 fields.*35 .r47. or 32 .legacy."),
        ("perf_2005Q1.txt", originations(), "line 1 has 31 fields"),
        ("orig_2005Q1.txt", originations(2) + originations(2, layout="legacy"), "line 1 has 31 .*2 of 4"),
        ("orig_2005Q1.txt", performance(layout="legacy"), "named as one of origination.*the other kind"),
        ("perf_2005Q1.txt", originations(layout="legacy"), "named as one of performance.*the other kind"),
        ("orig_2005Q1.txt", line(31, {20: "P05Q10000001"}), "no loan id such as .* in column 20"),
        ("perf_2005Q1.txt", line(35, {2: "F05Q10000001"}), "no loan id such as .* in column 1"),
        ("orig_2005Q2.txt", originations(), "is named 2005Q2, and most of its loan ids say 05Q1"),
        ("sample_orig_2006.txt", originations(), "is named 2006, and most of its loan ids say 05Q1"),
        ("orig_2005Q1.txt", originations()[:-9], "cut short: line 5, the last, has .* of 31 fields"),
        ("orig_2005Q1.txt", originations().decode().encode("utf-16-le"), "no loan id"),
    ],
)
def test_what_is_no_loan_file_is_refused_by_file_line_and_count(name: str, data: bytes, words: str) -> None:
    with pytest.raises(InputRefused, match=words):
        verdict(name, data)


def test_a_whole_last_line_may_lack_its_end() -> None:
    assert verdict("orig_2005Q1.txt", originations()[:-1]) == Verdict("r47", "positive", 0)


def test_a_sample_holds_loans_of_all_quarters_of_its_year() -> None:
    data = b"".join(originations(2, quarter=f"05Q{number}") for number in (1, 2, 3, 4))
    assert verdict("sample_orig_2005.txt", data).odd_rows == 0
