"""A saved model's scores of originations: a Parquet partition per model and vintage, made once."""

from dataclasses import dataclass

import msgspec
import pyarrow.parquet as pq
from pyspark.ml import PipelineModel
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812  its name everywhere

from batch_jobs.manifest import OUTPUT_MANIFEST, DataFile, Output, read_output, write_output
from batch_jobs.model.features import prepared
from batch_jobs.model.fitting import scored
from batch_jobs.model.store import Model
from batch_jobs.model.training import read
from batch_jobs.storage import Storage
from headrace.ops.clock import Clock, new_ulid
from headrace.schemas.loan_tables import LOAN_ORIGINATIONS
from headrace.schemas.tables import DOUBLE, Column, Table, text

LOAN_SCORES = Table(
    "loan_scores",
    (
        Column("loan_identifier", text(12)),
        Column("vintage", text(6)),
        Column("score", DOUBLE, description="probability at the level of the book that was trained on"),
        Column("model_version", text(16)),
    ),
    description="Scores of originations, a partition per model and vintage.",
)


class Scored(msgspec.Struct, frozen=True):
    """A partition's scores; `made` says whether they were computed now. `mean` is the share foretold."""

    vintage: str
    loans: int
    mean: float
    highest: float
    made: bool
    folder: str


@dataclass(frozen=True)
class Scorer:
    """One model at work; its pipeline is read once."""

    session: SparkSession
    storage: Storage
    model: Model
    pipeline: PipelineModel
    clock: Clock

    @classmethod
    def of(cls, session: SparkSession, storage: Storage, model: Model, clock: Clock) -> "Scorer":
        """Read the model's pipeline."""
        return cls(session, storage, model, PipelineModel.load(storage.uri(model.pipeline)), clock)

    def score(self, originations: Output) -> Scored:
        """Score a partition that has rows, unless this model did already. Raises StorageUnusable."""
        model, partition = self.model, f"{originations.vintage}/input={originations.input_sha256[:16]}"
        folder = f"scores/{model.name}/{model.version}/{partition}"
        made = not self.storage.exists(f"{folder}/{OUTPUT_MANIFEST}")
        if made:
            self._write(originations, folder)
        output = read_output(self.storage, folder)
        scores = read(self.session, self.storage, LOAN_SCORES, [output])
        mean, highest = scores.agg(F.mean("score"), F.max("score")).collect()[0]
        return Scored(output.vintage, output.rows, mean, highest, made, folder)

    def _write(self, originations: Output, folder: str) -> None:
        """The rows into a folder of this attempt's own, then the manifest, which makes them count."""
        attempt = f"{folder}/attempt={new_ulid(self.clock)}"
        self._scores(originations).write.parquet(self.storage.uri(attempt))
        files = tuple(self._file(path) for path in self.storage.list(attempt) if path.endswith(".parquet"))
        output = Output(
            table=LOAN_SCORES.name,
            vintage=originations.vintage,
            input_name=originations.input_name,
            input_sha256=originations.input_sha256,
            rows_in=originations.rows,
            rows=sum(file.rows for file in files),
            rejected={},
            folder=folder,
            files=files,
            error_files=(),
        )
        write_output(self.storage, output)

    def _scores(self, originations: Output) -> DataFrame:
        rows = read(self.session, self.storage, LOAN_ORIGINATIONS, [originations])
        known = rows.select("loan_identifier", "vintage", *prepared(self.model.features))
        version = F.lit(self.model.version).alias("model_version")
        columns = [F.col("loan_identifier"), F.col("vintage"), F.col("score"), version]
        return scored(known, self.pipeline, self.model.weight).select(*columns)

    def _file(self, path: str) -> DataFile:
        with self.storage.open(path) as file:
            rows = pq.read_metadata(file).num_rows
        return DataFile(path, self.storage.size(path), rows)
