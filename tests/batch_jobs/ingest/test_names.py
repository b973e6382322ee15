import pytest

from batch_jobs.ingest.names import loan_name
from headrace.errors import InputRefused


@pytest.mark.parametrize(
    ("path", "kind", "vintage"),
    [
        ("orig_2005Q1.txt", "origination", "2005Q1"),
        ("perf_1999Q4.txt", "performance", "1999Q4"),
        ("historical_data_2005Q1.txt", "origination", "2005Q1"),
        ("historical_data_time_2005Q1.txt", "performance", "2005Q1"),
        ("sample_orig_2005.txt", "origination", "2005"),
        ("sample_perf_2005.txt", "performance", "2005"),
        ("sample_svcg_2005.txt", "performance", "2005"),
        ("a folder/PERF_2005q1.TXT", "performance", "2005Q1"),
        ("a folder\\orig_2005Q1.txt", "origination", "2005Q1"),
    ],
)
def test_a_name_says_kind_and_vintage_in_either_layout(path: str, kind: str, vintage: str) -> None:
    found = loan_name(path, path)
    assert found is not None
    assert (found.kind, found.vintage) == (kind, vintage)


@pytest.mark.parametrize(
    "path",
    [
        "readme.txt",
        "orig_2005.txt",
        "orig_2005Q5.txt",
        "orig_2005Q1.csv",
        "sample_orig_2005Q1.txt",
        "my_orig_2005Q1.txt",
        "orig_2005Q1.txt.part",
        "orig_2005Q1.txt\n",
        "\N{LATIN SMALL LETTER LONG S}ample_orig_2005.txt",
        "orig_\N{FULLWIDTH DIGIT TWO}005Q1.txt",
        "._orig_2005Q1.txt",
        "orig_2005Q1.txt/",
    ],
)
def test_another_name_says_nothing(path: str) -> None:
    assert loan_name(path, path) is None


@pytest.mark.parametrize("path", ["historical_data1_Q12005.txt", "historical_data1_time_Q12005.txt"])
def test_the_layout_of_2018_is_refused_by_its_name(path: str) -> None:
    with pytest.raises(InputRefused, match=r"a\.zip.*layout of 2018.*27 and 25 columns"):
        loan_name(path, f"a.zip > {path}")
