from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from producers.reading.allowed import allow_list, cleaned

ALLOWED = allow_list(("a", "b.c", "b.d.e"))
SECRET = "hunter2"


def test_only_listed_paths_pass() -> None:
    value = {"a": 1, "x": 2, "b": {"c": "two", "d": {"e": None, "f": 3}, "g": {}}, "c": 4}
    assert cleaned(value, ALLOWED) == {"a": 1, "b": {"c": "two", "d": {"e": None}}}


def test_a_value_of_the_wrong_shape_keeps_its_type_and_nothing_else() -> None:
    assert cleaned({"a": {"k": SECRET}, "b": SECRET}, ALLOWED) == {"a": {}, "b": ""}
    assert cleaned({"a": [SECRET], "b": [SECRET]}, ALLOWED) == {"a": [], "b": []}
    assert cleaned({"b": {"d": 7}}, ALLOWED) == {"b": {"d": 0}}
    assert [cleaned(value, ALLOWED) for value in (SECRET, 7, 7.5, True, None)] == ["", 0, 0.0, False, None]


def trees() -> st.SearchStrategy[Any]:
    leaf = st.just(SECRET) | st.integers(-3, 3) | st.none()
    names = st.sampled_from(["a", "b", "c", "d", "e", SECRET])
    return st.recursive(leaf, lambda inner: st.lists(inner) | st.dictionaries(names, inner), max_leaves=12)


@given(trees())
def test_a_secret_passes_at_a_listed_path_only(tree: Any) -> None:
    left: Any = cleaned(tree, ALLOWED)
    if isinstance(left, dict):
        below = left.get("b")
        deeper = below.get("d") if isinstance(below, dict) else None
        for level, name in ((left, "a"), (below, "c"), (deeper, "e")):
            if isinstance(level, dict):
                level.pop(name, None)
    assert SECRET.encode() not in msgspec.json.encode(left)
