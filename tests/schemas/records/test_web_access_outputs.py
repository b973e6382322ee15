from hypothesis import given
from hypothesis import strategies as st

from headrace.schemas.measures import CountIf
from headrace.schemas.records.web_access_outputs import is_bot
from headrace.schemas.registry import OUTPUTS


@given(st.integers(0, 999), st.text())
def test_the_derived_values_of_web_access_take_every_value_of_their_field(
    status: int, user_agent: str
) -> None:
    status_class = OUTPUTS["web_traffic_1m"].keys[1]
    errors = OUTPUTS["web_paths_5m"].measures[1]
    bots = OUTPUTS["web_visitors_15m"].measures[2]
    assert isinstance(errors, CountIf)
    assert isinstance(bots, CountIf)

    assert status_class.text(status) == f"{status // 100}xx"
    assert errors.holds(status) == (status >= 400)
    assert bots.holds(user_agent + "Googlebot/2.1")


def test_people_are_not_bots() -> None:
    assert not is_bot("Mozilla/5.0 (X11; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/115.0")
    assert is_bot("curl/8")
    assert is_bot("UniversalFeedParser/4.2-pre-314-svn +http://feedparser.org/")
