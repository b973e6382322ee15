import pytest

from headrace.errors import WarehouseRefused
from headrace.warehouse.read_only import check_reads


@pytest.mark.parametrize(
    "text",
    [
        "select 1",
        "  -- which?\n SELECT * FROM a /* all; of them */ ;",
        "WITH a AS (SELECT 1) SELECT * FROM a",
        "(SELECT 1) UNION (SELECT 2)",
        "explain select 1",
        "SHOW timezone",
        "SELECT 'delete; into' AS \"update\" FROM t WHERE path LIKE '%it''s%' AND p = 'C:\\dir'",
        "SELECT updated_at, created, 1$ FROM t",
    ],
)
def test_a_question_is_let_through(text: str) -> None:
    check_reads(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "DELETE FROM t",
        "SELECT * INTO t2 FROM t",
        "WITH a AS (SELECT 1) DELETE FROM t",
        "SELECT 1; DELETE FROM t",
        "SELECT 1; SELECT 2",
        "EXPLAIN ANALYZE DELETE FROM t",
        "SELECT 1 --\rINTO t2 FROM t",
        "/* select */ UPDATE t SET a = 1",
        "SELECT '\\' INTO t2 FROM t -- '",
        "SELECT $a$ ' $a$ INTO t2 FROM t -- '",
        "SELECT /* /* */ 1 INTO t2 FROM t */",
        "SELECT 'open INTO t2 FROM t",
        "SELECT 1 /* open",
        "CALL p()",
        "SET x = 1",
    ],
)
def test_everything_else_is_refused(text: str) -> None:
    with pytest.raises(WarehouseRefused, match=r"^a question|has no end"):
        check_reads(text)
