"""From typed tables to a published tree, or to the reason why there is none."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import msgspec
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F  # noqa: N812  its name everywhere

from batch_jobs.manifest import Output
from batch_jobs.model import fitting, picture, store
from batch_jobs.model.features import CATEGORICAL, FEATURES, prepared
from batch_jobs.model.fitting import Fitted
from batch_jobs.model.label import labels
from batch_jobs.model.measures import Measures, ScoreGroup, measure
from batch_jobs.model.settings import ModelSettings
from batch_jobs.model.split import Counted, Sides, split
from batch_jobs.model.store import Model
from batch_jobs.model.tree import size, words
from batch_jobs.storage import Storage
from headrace.errors import ModelRefused
from headrace.ops.clock import Clock, new_ulid
from headrace.schemas.loan_tables import LOAN_ORIGINATIONS, LOAN_PERFORMANCE
from headrace.schemas.tables import Table
from headrace.schemas.targets.spark import table_schema

Tell = Callable[[str], None]
_BAD_A_VALUE = 10  # bad loans to train on for each value of a feature: the usual rule of thumb
_KNOWN_SHARE = 0.9  # of a vintage's loans: of a younger one, only those that defaulted would be left


class Trained(msgspec.Struct, frozen=True):
    """What came out of it, before anything is written."""

    sides: Sides
    passed_over: dict[str, str]
    left_out: dict[str, str]
    fitted: Fitted
    training: Measures
    test: Measures


def read(session: SparkSession, storage: Storage, table: Table, outputs: Sequence[Output]) -> DataFrame:
    """The rows of these partitions of a table, from the very files that their manifests name."""
    files = (storage.uri(file.path) for one in outputs for file in one.files)
    return session.read.schema(table_schema(table)).parquet(*files)


def train(
    session: SparkSession,
    storage: Storage,
    settings: ModelSettings,
    *,
    originations: Sequence[Output],
    performance: Sequence[Output],
    clock: Clock,
    tell: Tell,
) -> tuple[Model, bool]:
    """The model of these partitions, published and current, and whether it was trained now.

    Vintages that only one of the tables has are passed over. The same files and settings make the same
    version, which is not trained again. Raises ModelRefused: then nothing is published.
    """
    both = {one.vintage for one in originations if one.rows} & {
        one.vintage for one in performance if one.rows
    }
    if not both:
        raise ModelRefused(
            "no vintage has both originations and performance: `headrace batch originations` and "
            "`headrace batch performance` make them"
        )
    used = [[one for one in table if one.vintage in both] for table in (originations, performance)]
    sources = store.sources_of([*used[0], *used[1]])
    version = store.version_of(sources, settings, session.version)
    if (model := store.find(storage, version)) is not None:
        store.publish(storage, model)
        return model, False
    loans = read(session, storage, LOAN_ORIGINATIONS, used[0])
    months = read(session, storage, LOAN_PERFORMANCE, used[1])
    with population(loans, months, settings.window_months) as rows:
        trained = fit_and_test(rows, {one.vintage: one.rows for one in used[0]}, settings, tell)
    check(trained, settings)
    tell("writing the model")
    folder = f"models/{store.NAME}/{version}"
    model = Model(
        name=store.NAME,
        version=version,
        trained_at=clock.now().isoformat(),
        spark_version=session.version,
        settings=settings,
        sources=sources,
        features=tuple(name for name in FEATURES if name not in trained.left_out),
        left_out=trained.left_out,
        sides=trained.sides,
        passed_over=trained.passed_over,
        weight=trained.fitted.weight,
        training=trained.training,
        test=trained.test,
        importances=trained.fitted.importances,
        tree=trained.fitted.root,
        pipeline=f"{folder}/pipeline={new_ulid(clock)}",
    )
    write(storage, model, trained)
    return model, True


@contextmanager
def population(originations: DataFrame, performance: DataFrame, window_months: int) -> Iterator[DataFrame]:
    """Loans whose early fate is known (loan_identifier, vintage, defaulted, all features), kept meanwhile."""
    fates = labels(originations, performance, window_months)
    known = originations.select("loan_identifier", "vintage", *prepared(FEATURES))
    rows = known.join(fates, ["loan_identifier", "vintage"]).persist()
    try:
        yield rows
    finally:
        rows.unpersist()


def fit_and_test(
    rows: DataFrame, originated: Mapping[str, int], settings: ModelSettings, tell: Tell
) -> Trained:
    """Cut by vintage, fit on the older side, measure both; `originated` counts all loans of each vintage.

    Raises ModelRefused.
    """
    tell("reading the tables")
    found = _counted(rows)
    young = {
        row.vintage: f"the fate of {row.loans:,} of {originated[row.vintage]:,} loans is known"
        for row in found
        if row.loans < _KNOWN_SHARE * originated[row.vintage]
    }
    found = [row for row in found if row.vintage not in young]
    sides = split([Counted(row.vintage, row.loans, row.bad) for row in found], settings.test_from)
    loans, bad = (sum(getattr(one, name) for one in sides.training) for name in ("loans", "bad"))
    old = rows.where(F.col("vintage").isin([one.vintage for one in sides.training]))
    left_out = _crowded(old, bad) | _empty(found)
    features = [name for name in FEATURES if name not in left_out]
    if not features:
        raise ModelRefused("no column of the loans can be a feature: each is empty throughout some vintage")
    tell(f"fitting on vintages before {sides.test_from}")
    weight = fitting.balancing_weight(loans, bad)
    fitted = fitting.fit(fitting.in_order(old, loans), features, weight, settings)
    tell(f"testing on vintages from {sides.test_from} on")
    new = rows.where(F.col("vintage").isin([one.vintage for one in sides.test]))
    return Trained(sides, young, left_out, fitted, _measured(old, fitted), _measured(new, fitted))


def check(trained: Trained, settings: ModelSettings) -> None:
    """The gate. Raises ModelRefused."""
    if size(trained.fitted.root) == 1:
        raise ModelRefused("the tree found no question worth asking: it gives every loan the same score")
    if trained.test.auc < settings.least_auc:
        raise ModelRefused(
            f"the tree's AUC on vintages from {trained.sides.test_from} on is {trained.test.auc:.3f}, "
            f"below the {settings.least_auc:.2f} that is asked for ({trained.test.loans:,} loans, "
            f"{trained.test.bad:,} of them defaulted; {trained.training.auc:.3f} on what it learned from)"
        )


def write(storage: Storage, model: Model, trained: Trained) -> None:
    """Write the pipeline and what a person looks at, then publish. Raises StorageUnusable."""
    trained.fitted.pipeline.write().save(storage.uri(model.pipeline))
    storage.write(f"{model.folder}/tree.txt", words(model.tree).encode())
    storage.write(f"{model.folder}/tree.svg", picture.svg(picture.tree_figure(model.tree)))
    storage.write(
        f"{model.folder}/calibration.svg", picture.svg(picture.calibration_figure(model.test.calibration))
    )
    store.publish(storage, model)


def _counted(rows: DataFrame) -> list[Row]:
    """By vintage: loans, bad, and for each feature how many loans have it."""
    counts = [F.count(F.lit(1)).alias("loans"), F.count_if("defaulted").alias("bad")]
    return rows.groupBy("vintage").agg(*counts, *(F.count(name).alias(name) for name in FEATURES)).collect()


def _crowded(rows: DataFrame, bad: int) -> dict[str, str]:
    """Features with too many values for the bad loans that there are: a tree would learn each by heart."""
    counts = rows.agg(*(F.count_distinct(name).alias(name) for name in CATEGORICAL)).collect()[0]
    return {
        name: f"has {counts[name]:,} values, for {bad:,} bad loans"
        for name in CATEGORICAL
        if counts[name] * _BAD_A_VALUE > bad
    }


def _empty(found: Sequence[Row]) -> dict[str, str]:
    """Features that whole vintages do not have: they would tell the vintage."""
    return {
        name: "empty throughout " + ", ".join(sorted(row.vintage for row in found if not row[name]))
        for name in FEATURES
        if not all(row[name] for row in found)
    }


def _measured(rows: DataFrame, fitted: Fitted) -> Measures:
    """How well the loans are scored; a tree gives few different scores."""
    found = (
        fitting.scored(rows, fitted.pipeline, fitted.weight)
        .groupBy("score")
        .agg(F.count(F.lit(1)).alias("loans"), F.count_if("defaulted").alias("bad"))
    )
    return measure([ScoreGroup(row.score, row.loans, row.bad) for row in found.collect()])
