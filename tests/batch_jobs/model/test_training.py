import shutil
from collections.abc import Callable
from pathlib import Path
from statistics import fmean
from types import SimpleNamespace
from typing import Any

import click
import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from pyspark.sql import DataFrame, SparkSession

from batch_jobs.model import store
from batch_jobs.model.features import FEATURES, LEAKS, prepared
from batch_jobs.model.measures import CAVEAT
from batch_jobs.model.settings import ModelSettings
from batch_jobs.model.store import Model
from batch_jobs.model.training import population, read, train
from batch_jobs.model.tree import UNKNOWN, Node, depth, size, words
from batch_jobs.storage import Storage
from cli.batch.group import command as group
from cli.batch.spark import share
from cli.place import Place
from headrace.errors import InputRefused, ModelRefused
from headrace.schemas.loan_tables import LOAN_ORIGINATIONS, LOAN_PERFORMANCE
from tests.batch_jobs.marks import SPARK
from tests.batch_jobs.model.book import LOANS, VINTAGES, YOUNG, probability, write_book
from tests.batch_jobs.model.conftest import SETTINGS, Book
from tests.doubles.clock import ManualClock

pytestmark = SPARK


def quiet(_: str) -> None:
    pass


def true_auc(book: Book, vintages: list[str]) -> float:
    """That of the true probabilities, on the same loans: no honest model does better but by luck."""
    good: list[float] = []
    bad: list[float] = []
    for originations, performance in zip(book.originations, book.performance, strict=True):
        if originations.vintage not in vintages:
            continue
        loans = ds.dataset(book.storage.place(originations.folder)).to_table().to_pylist()
        late = ds.field("delinquency_months") >= 3
        rows = ds.dataset(book.storage.place(performance.folder)).to_table(["loan_identifier"], filter=late)
        defaulted = set(rows["loan_identifier"].to_pylist())
        for loan in loans:
            true = probability(loan["classic_fico"] or 680, loan["original_cltv"], loan["property_state"])
            (bad if loan["loan_identifier"] in defaulted else good).append(true)
    return fmean(float(np.mean(np.array(good) < one)) for one in bad)


def tables(spark: SparkSession, book: Book) -> tuple[DataFrame, DataFrame]:
    return (
        read(spark, book.storage, LOAN_ORIGINATIONS, book.originations),
        read(spark, book.storage, LOAN_PERFORMANCE, book.performance),
    )


def nodes(node: Node) -> list[Node]:
    return [node, *(below for _, child in node.children() for below in nodes(child))]


def test_the_tree_passes_its_gate_on_vintages_that_it_did_not_see(model: Model, book: Book) -> None:
    assert [one.vintage for one in model.sides.training] == list(VINTAGES[:4])
    tested = [one.vintage for one in model.sides.test]
    assert tested == list(VINTAGES[4:])
    assert model.test.auc >= 0.70
    assert model.test.auc < true_auc(book, tested) + 0.02
    assert size(model.tree) > 1
    assert depth(model.tree) <= SETTINGS.max_depth


def test_its_measures_stand_beside_the_base_rate(model: Model) -> None:
    assert model.training.loans == 4 * LOANS
    assert model.test.loans == 2 * LOANS
    assert model.test.base_rate == model.test.bad / model.test.loans
    assert model.test.area_under_pr > model.test.base_rate
    assert model.test.brier < model.test.brier_of_base_rate


def test_on_what_it_learned_from_its_probabilities_are_the_books(model: Model) -> None:
    foretold = sum(one.loans * one.foretold for one in model.training.calibration)
    assert foretold == pytest.approx(model.training.bad)
    assert all(one.foretold == pytest.approx(one.came) for one in model.training.calibration)


def test_its_questions_and_importances_name_columns_and_their_values(model: Model) -> None:
    assert set(model.importances) == set(model.features)
    assert sum(model.importances.values()) == pytest.approx(1)
    assert max(model.importances, key=lambda name: model.importances[name]) == "classic_fico"
    questions = [node.question for node in nodes(model.tree) if node.question]
    assert {question.column for question in questions} <= set(FEATURES)
    scores = [question.threshold for question in questions if question.column == "classic_fico"]
    assert all(score is not None and 540 < score < 830 for score in scores)
    states = [q for q in questions if q.column == "property_state"]
    assert states
    assert all({*q.categories, *q.others} == {"CA", "FL", "NV", "OH", "TX", UNKNOWN} for q in states)
    assert sum(node.loans for node in nodes(model.tree) if not node.children()) == model.training.loans


def test_a_young_vintage_is_passed_over_and_a_column_of_too_many_values_is_no_feature(
    model: Model,
) -> None:
    assert list(model.passed_over) == [YOUNG]
    assert model.features == tuple(name for name in FEATURES if name != "property_type")
    assert model.left_out == {"property_type": f"has 90 values, for {model.training.bad:,} bad loans"}


def test_what_it_may_not_know_never_reaches_it(model: Model, book: Book, spark: SparkSession) -> None:
    leaks = {name for reasons in LEAKS.values() for name in reasons}
    assert not leaks & set(model.features)
    with population(*tables(spark, book), 24) as rows:
        assert set(rows.columns) == {*FEATURES, "loan_identifier", "vintage", "defaulted"}


def test_three_borrowers_are_as_two_and_an_unknown_number_stays_unknown(spark: SparkSession) -> None:
    loans = spark.sql("SELECT * FROM VALUES (1S), (2S), (7S), (NULL) AS loans (number_of_borrowers)")
    assert [row[0] for row in loans.select(*prepared(["number_of_borrowers"])).collect()] == [1, 2, 2, None]


def test_the_same_again_is_not_trained_again(model: Model, book: Book, spark: SparkSession) -> None:
    before = sorted(book.storage.list("models"))
    turned = {"originations": book.originations[::-1], "performance": book.performance}
    later = ManualClock()
    later.advance(3600)
    again, made = train(spark, book.storage, SETTINGS, **turned, clock=later, tell=quiet)
    assert (again, made) == (model, False)
    assert sorted(book.storage.list("models")) == before


def test_other_files_or_settings_are_another_version(model: Model) -> None:
    version = model.version
    assert store.version_of(model.sources, SETTINGS, model.spark_version) == version
    assert store.version_of(model.sources[1:], SETTINGS, model.spark_version) != version
    assert store.version_of(model.sources, ModelSettings(least_loans=21), model.spark_version) != version


def test_what_a_killed_training_left_is_no_version(model: Model, book: Book, tmp_path: Path) -> None:
    shutil.copytree(book.storage.place("models"), tmp_path / "models")
    left = Storage(str(tmp_path), {})
    assert store.find(left) == store.find(left, model.version) == model
    (tmp_path / model.folder / "model.json").unlink()
    assert store.find(left, model.version) is None
    (tmp_path / "models/early_default/current.json").unlink()
    assert store.find(left) is None
    store.publish(left, model)
    assert store.find(left) == model


def test_a_tree_of_shuffled_fates_is_refused_and_nothing_is_published(
    tmp_path: Path, spark: SparkSession
) -> None:
    storage = Storage(str(tmp_path), {})
    originations, performance = write_book(storage, shuffled=True)
    made = {"originations": originations, "performance": performance}
    with pytest.raises(ModelRefused, match=r"AUC on vintages from 2006Q1 on is 0\.[45].*below the 0\.70"):
        train(spark, storage, SETTINGS, **made, clock=ManualClock(), tell=quiet)
    assert storage.list("models") == []


def test_the_files_beside_a_model_are_for_people(model: Model, book: Book) -> None:
    assert book.storage.read(f"{model.folder}/tree.txt").decode() == words(model.tree)
    for name in ("tree.svg", "calibration.svg"):
        assert book.storage.read(f"{model.folder}/{name}").startswith(b"<?xml")


@pytest.fixture
def headrace(
    model: Model,  # noqa: ARG001  trained before, on these tables
    book: Book,
    spark: SparkSession,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., str]:
    """Runs a command of `headrace batch` in this session, on the book: what it printed."""
    outputs = {LOAN_ORIGINATIONS: book.originations, LOAN_PERFORMANCE: book.performance}
    catalog = SimpleNamespace(outputs=lambda table: outputs[table])  # Hive takes seconds to fill
    monkeypatch.setattr("batch_jobs.hive.Catalog", lambda *_: catalog)
    place = Place(
        {"HEADRACE_BATCH_ROOT": book.storage.root, "HEADRACE_MODEL_LEAST_LOANS": "20"}, ManualClock()
    )

    def call(*arguments: str) -> str:
        capsys.readouterr()
        context = click.Context(group, obj=place)
        with context, share(context, spark):
            group.main(list(arguments), "headrace batch", standalone_mode=False, parent=context, obj=place)
        return capsys.readouterr().out

    return call


def test_the_command_shows_the_measures_the_tree_and_the_caveat(
    headrace: Callable[..., str], model: Model
) -> None:
    out = headrace("train")
    assert f"early_default {model.version}: was trained before" in out
    assert f"vintage {YOUNG} was passed over" in out
    assert f"{model.test.auc:.3f}" in out
    assert words(model.tree) in out
    assert CAVEAT in out
    told = msgspec.json.decode(headrace("train", "--json"))
    assert (told["made"], told["version"], told["test"]["auc"]) == (False, model.version, model.test.auc)


def test_scores_are_written_once_per_model_and_vintage(
    headrace: Callable[..., str], model: Model, book: Book
) -> None:
    told = msgspec.json.decode(headrace("score", "--vintage", YOUNG, "--json"))
    assert (told["model"], told["caveat"]) == (model.version, CAVEAT)
    (one,) = told["vintages"]
    assert (one["vintage"], one["loans"], one["made"]) == (YOUNG, LOANS, True)
    files = book.storage.list("scores")
    out = headrace("score", "--vintage", YOUNG, "--model", model.version)
    assert "was scored before" in out
    assert CAVEAT in out
    assert book.storage.list("scores") == files

    parts = [book.storage.place(path) for path in files if path.endswith(".parquet")]
    rows = pa.concat_tables(pq.read_table(part, partitioning=None) for part in parts)
    assert rows.column_names == ["loan_identifier", "vintage", "score", "model_version"]
    loans = ds.dataset(book.storage.place(book.originations[-1].folder)).to_table()
    assert sorted(rows["loan_identifier"].to_pylist()) == sorted(loans["loan_identifier"].to_pylist())
    assert (set(rows["vintage"].to_pylist()), set(rows["model_version"].to_pylist())) == (
        {YOUNG},
        {model.version},
    )
    scores = dict(zip(rows["loan_identifier"].to_pylist(), rows["score"].to_pylist(), strict=True))
    assert fmean(scores.values()) == pytest.approx(one["mean"])
    expected = {
        loan["loan_identifier"]: leaf(model.tree, loan) for loan in loans.to_pylist() if loan["classic_fico"]
    }
    assert {name: scores[name] for name in expected} == pytest.approx(expected)


def leaf(node: Node, loan: dict[str, Any]) -> float:
    """The score of the leaf that the loan's own columns lead to, by the tree as it is told."""
    if node.question is None or node.left is None or node.right is None:
        return node.score
    value = loan[node.question.column]
    if node.question.column == "number_of_borrowers":
        value = min(value, 2)
    yes = (
        value in node.question.categories
        if node.question.threshold is None
        else value <= node.question.threshold
    )
    return leaf(node.left if yes else node.right, loan)


def test_a_model_or_a_vintage_that_is_not_there_is_named(headrace: Callable[..., str]) -> None:
    with pytest.raises(InputRefused, match="no originations of 1999Q1"):
        headrace("score", "--vintage", "1999Q1")
    for version in ("0123456789abcdef", "../early_default"):
        with pytest.raises(ModelRefused, match=f"no version {version}"):
            headrace("score", "--model", version)
