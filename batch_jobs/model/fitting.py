"""The pipeline of a tree, from columns to a score; all of it is fitted on the training loans alone."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from pyspark.ml import Pipeline, PipelineModel
from pyspark.ml.classification import DecisionTreeClassificationModel, DecisionTreeClassifier
from pyspark.ml.feature import Imputer, StringIndexer, StringIndexerModel, VectorAssembler
from pyspark.ml.functions import vector_to_array
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812  its name everywhere

from batch_jobs.model.features import CATEGORICAL, NUMERIC
from batch_jobs.model.measures import book_score
from batch_jobs.model.settings import ModelSettings
from batch_jobs.model.tree import UNKNOWN, Node, Question

_MOST_BINS = 64  # at least one more than the categories of a column: 54 states
_WEIGHT_STEPS = 64
_ROWS_A_PARTITION = 200_000


class Fitted(msgspec.Struct, frozen=True):
    """A pipeline that was fitted, its tree, and how often a bad loan was counted."""

    pipeline: PipelineModel
    weight: float
    root: Node
    importances: dict[str, float]


def balancing_weight(loans: int, bad: int) -> float:
    """How often each of the bad loans counts, so that all of them weigh what the good ones do.

    In steps of 1/64: sums of such numbers are exact in any order, so that the same data make the same tree.
    """
    return max(round((loans - bad) / bad * _WEIGHT_STEPS), 1) / _WEIGHT_STEPS


def fit(training: DataFrame, features: Sequence[str], weight: float, settings: ModelSettings) -> Fitted:
    """Fit on rows (features, defaulted), in any order."""
    weighted = training.withColumns(
        {
            "label": F.col("defaulted").cast("double"),
            "weight": F.when(F.col("defaulted"), weight).otherwise(1.0),
        }
    )
    pipeline = _pipeline(features, settings).fit(weighted)
    tree = pipeline.stages[-1]
    assert isinstance(tree, DecisionTreeClassificationModel)
    return Fitted(
        pipeline,
        weight,
        _root(pipeline, features, weight),
        dict(zip(_ordered(features), tree.featureImportances.toArray().tolist(), strict=True)),
    )


def in_order(rows: DataFrame, count: int) -> DataFrame:
    """The rows in partitions that depend on nothing but the rows: split points are sampled from these."""
    partitions = 1 + count // _ROWS_A_PARTITION
    return rows.repartition(partitions, "loan_identifier").sortWithinPartitions("loan_identifier")


def scored(rows: DataFrame, pipeline: PipelineModel, weight: float) -> DataFrame:
    """The rows with a column `score`, the probability at the level of the book that was trained on."""
    return pipeline.transform(rows).withColumn("score", _book_score(weight))


def _book_score(weight: float) -> Column:
    bad = vector_to_array(F.col("probability"))[1]  # not rawPrediction: of a tree, that is a leaf's weight
    return bad / (bad + F.lit(weight) * (1 - bad))


def _ordered(features: Sequence[str]) -> list[str]:
    """The features as they stand in the vector."""
    numeric, categorical = _kinds(features)
    return [*numeric, *categorical]


def _kinds(features: Sequence[str]) -> tuple[list[str], list[str]]:
    """The numbers, and the categories."""
    return [name for name in NUMERIC if name in features], [name for name in CATEGORICAL if name in features]


def _pipeline(features: Sequence[str], settings: ModelSettings) -> Pipeline:
    numeric, categorical = _kinds(features)
    filled, indexed = ([f"{name}__made" for name in kind] for kind in (numeric, categorical))
    imputer = Imputer(inputCols=numeric, outputCols=filled, strategy="median")
    indexer = StringIndexer(
        inputCols=categorical, outputCols=indexed, handleInvalid="keep", stringOrderType="frequencyDesc"
    )
    tree = DecisionTreeClassifier(
        labelCol="label",
        featuresCol="vector",
        weightCol="weight",
        impurity="gini",
        maxDepth=settings.max_depth,
        maxBins=_MOST_BINS,
        minInstancesPerNode=settings.least_loans,
        seed=settings.seed,
    )
    made = [stage for stage, names in ((imputer, numeric), (indexer, categorical)) if names]
    return Pipeline(stages=[*made, VectorAssembler(inputCols=[*filled, *indexed], outputCol="vector"), tree])


def _root(pipeline: PipelineModel, features: Sequence[str], weight: float) -> Node:
    """The tree, read node by node out of the JVM."""
    categories: dict[str, list[str]] = {}
    for stage in pipeline.stages:
        if isinstance(stage, StringIndexerModel):
            categories = dict(zip(stage.getInputCols(), stage.labelsArray, strict=True))
    java: Any = pipeline.stages[-1]._java_obj  # type: ignore[attr-defined]  # noqa: SLF001  no other way in
    return _node(java.rootNode(), _ordered(features), categories, weight)


def _node(node: Any, names: Sequence[str], categories: Mapping[str, list[str]], weight: float) -> Node:  # noqa: ANN401
    found = node.impurityStats()
    good, bad = found.stats()
    read = Node(found.rawCount(), book_score(bad / (good + bad), weight))
    if node.getClass().getSimpleName() == "LeafNode":
        return read
    split = node.split()
    name = names[split.featureIndex()]
    return msgspec.structs.replace(
        read,
        question=_question(split, name, categories.get(name)),
        left=_node(node.leftChild(), names, categories, weight),
        right=_node(node.rightChild(), names, categories, weight),
    )


def _question(split: Any, name: str, labels: Sequence[str] | None) -> Question:  # noqa: ANN401  the JVM's
    if labels is None:
        return Question(name, split.threshold(), (), ())
    known = [*labels, UNKNOWN]
    yes, no = (
        tuple(known[int(at)] for at in sorted(side))
        for side in (split.leftCategories(), split.rightCategories())
    )
    return Question(name, None, yes, no)
