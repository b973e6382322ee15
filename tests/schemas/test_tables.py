import pytest

from headrace.schemas.tables import BIGINT, Column, Table, binary, decimal, text

COLUMN = Column("n", BIGINT)


@pytest.mark.parametrize("name", ["", "N", "1n", "a-b", 'a"b', "a b", "n" * 64, "ñ", "n\n"])
def test_a_name_is_plain_in_every_engine(name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        Column(name, BIGINT)
    with pytest.raises(ValueError, match="name"):
        Table(name, (COLUMN,))


def test_a_column_comes_once_and_a_key_is_a_column() -> None:
    with pytest.raises(ValueError, match="twice"):
        Table("t", (COLUMN, COLUMN))
    with pytest.raises(ValueError, match="no column 'm'"):
        Table("t", (COLUMN,), sort_key=("m",))
    with pytest.raises(ValueError, match="no column 'm'"):
        Table("t", (COLUMN,), dist_key="m")
    with pytest.raises(ValueError, match="no column 'm'"):
        Table("t", (COLUMN,), lookup_key="m")
    with pytest.raises(ValueError, match="no columns"):
        Table("t", ())


def test_a_type_that_some_target_lacks_is_refused() -> None:
    with pytest.raises(ValueError, match="65535"):
        text(65_536)
    with pytest.raises(ValueError, match="bytes"):
        binary(0)
    with pytest.raises(ValueError, match="decimal"):
        decimal(39, 0)
    with pytest.raises(ValueError, match="decimal"):
        decimal(2, 3)
