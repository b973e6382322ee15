"""The conversion as others would write it: DuckDB with all checks, Spark's CSV reader with types alone."""

from pathlib import Path

import duckdb
from pyspark.sql import SparkSession
from pyspark.sql import functions as f

from batch_jobs.manifest import Input
from headrace.schemas.delimited import Cell
from headrace.schemas.loan_layouts import LAYOUTS
from headrace.schemas.record_type import Field

_TYPES = {"integer": "SMALLINT", "date": "DATE", "text": "VARCHAR", "boolean": "BOOLEAN"}


def with_duckdb(entry: Input, folder: Path) -> int:
    """Every cell read, checked against its field and written, partitioned; how many rows were good.

    Keys are not compared, and a bad line keeps its number alone: both are less work than the conversion's.
    """
    layout = LAYOUTS[entry.kind, entry.layout]
    values, checks = [f"'{layout.name}' AS layout"], []
    for at, cell in layout.cells:
        value, good = _cell(f"c{at}", cell, layout.record_type.field(cell.name))
        values.append(f"{value} AS {cell.name}")
        checks.append(good)
    columns = ", ".join(f"'c{at}': 'VARCHAR'" for at in range(len(layout.columns)))
    with duckdb.connect(config={"threads": 2}) as database:
        database.execute(
            f"""COPY (
                SELECT {", ".join(values)}, '{entry.vintage}' AS vintage, 2005 AS vintage_year,
                    1 AS vintage_quarter, coalesce({" AND ".join(checks)}, false) AS good
                FROM read_csv($path, delim = '|', quote = '', escape = '', header = false,
                    columns = {{{columns}}}, auto_detect = false, store_rejects = true)
            ) TO '{folder}' (FORMAT parquet, PARTITION_BY (good, vintage_year, vintage_quarter))""",  # noqa: S608  our own names
            {"path": entry.path},
        )
        counted = database.execute(f"SELECT count(*) FROM '{folder}/good=true/**/*.parquet'").fetchone()  # noqa: S608  as above
    return int(counted[0]) if counted else 0


def _cell(column: str, cell: Cell, field: Field) -> tuple[str, str]:
    """Its value, and whether it is good."""
    if cell.otherwise is not None:
        return f"{column} IN ({_listed(cell.words)})", "true"
    text = f"coalesce({column}, '')"
    for word, value in cell.words.items():
        text = f"CASE {text} WHEN '{word}' THEN '{value}' ELSE {text} END"
    text = f"nullif({text}, '')"
    if cell.nulls:
        text = f"CASE WHEN {text} IN ({_listed(cell.nulls)}) THEN NULL ELSE {text} END"
    if cell.first:
        text = f"{text}[:{cell.first}]"
    value, good = _typed(text, field)
    return value, f"({text} IS NULL OR {good})" if field.nullable else good


def _typed(text: str, field: Field) -> tuple[str, str]:
    if field.kind == "date":
        value = f"try_strptime({text} || '01', '%Y%m%d')::DATE"
        return value, f"{value} IS NOT NULL"
    if field.kind == "text":
        good = f"length({text}) <= {field.max_bytes}"
        if field.pattern is not None:
            good = f"regexp_full_match({text}, '{field.pattern.removeprefix('^').removesuffix(chr(36))}')"
        return text, good.replace(r"(?!\n)", "")
    type_ = f"DECIMAL({field.precision}, {field.scale})" if field.kind == "decimal" else _TYPES[field.kind]
    value = f"TRY_CAST({text} AS {type_})"
    form = rf"-?[0-9]+(\.[0-9]{{1,{field.scale}}})?" if field.kind == "decimal" else "-?[0-9]+"
    within = f"{value} BETWEEN {field.minimum} AND {field.maximum}"
    return value, f"(regexp_full_match({text}, '{form}') AND {within})"


def _listed(texts: object) -> str:
    return ", ".join(f"'{text}'" for text in texts)  # type: ignore[attr-defined]


def with_spark(session: SparkSession, entry: Input, folder: Path) -> int:
    """Spark's CSV reader into typed columns, counted fields, months to dates: no other check."""
    layout = LAYOUTS[entry.kind, entry.layout]
    columns = []
    for column in layout.columns:
        field = layout.record_type.field(column[0].name)
        columns.append(f"{field.name} {_spark_type(field, len(column))}")
    read = session.read.csv(
        entry.path,
        schema=", ".join([*columns, "_corrupt_record STRING"]),
        sep="|",
        quote="",
        columnNameOfCorruptRecord="_corrupt_record",
    )
    dates = {field.name for field in layout.record_type.fields if field.kind == "date"}
    typed = [f.to_date(name, "yyyyMM").alias(name) if name in dates else f.col(name) for name in read.columns]
    read.select(*typed).write.mode("overwrite").parquet(str(folder))
    return entry.rows


def _spark_type(field: Field, members: int) -> str:
    if field.kind == "integer" and members == 1:
        return "SMALLINT"
    return (
        f"DECIMAL({field.precision}, {field.scale})" if field.kind == "decimal" and members == 1 else "STRING"
    )
