"""Trained models on disk: a version's manifest is written last, and a pointer names the current one.

`models/<name>/<version>/model.json` makes a version; what a killed run left beside it counts for nothing.
"""

import hashlib
import re
from collections.abc import Sequence
from typing import TypeVar

import msgspec

from batch_jobs.manifest import Output
from batch_jobs.model.features import FEATURES
from batch_jobs.model.measures import Measures
from batch_jobs.model.settings import ModelSettings
from batch_jobs.model.split import Sides
from batch_jobs.model.tree import Node
from batch_jobs.storage import Storage
from headrace.errors import ModelRefused

T = TypeVar("T")
NAME = "early_default"
_FORMAT = 1  # of what is trained and how: another one makes other versions


class Source(msgspec.Struct, frozen=True, order=True):
    """One partition that a model was trained on or tested with."""

    table: str
    vintage: str
    input_sha256: str
    folder: str


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """Everything there is to say of a trained model; `pipeline` is its place below the storage's root.

    A bad loan counted `weight` times in the fit. `left_out` says of features, and `passed_over` of
    vintages, why they were not used after all.
    """

    name: str
    version: str
    trained_at: str
    spark_version: str
    settings: ModelSettings
    sources: tuple[Source, ...]
    features: tuple[str, ...]
    left_out: dict[str, str]
    sides: Sides
    passed_over: dict[str, str]
    weight: float
    training: Measures
    test: Measures
    importances: dict[str, float]
    tree: Node
    pipeline: str

    @property
    def folder(self) -> str:
        """Where the version lies."""
        return f"models/{self.name}/{self.version}"


class _Current(msgspec.Struct, frozen=True):
    version: str


def sources_of(outputs: Sequence[Output]) -> tuple[Source, ...]:
    """The partitions, in order."""
    return tuple(sorted(Source(one.table, one.vintage, one.input_sha256, one.folder) for one in outputs))


def version_of(sources: Sequence[Source], settings: ModelSettings, spark_version: str) -> str:
    """The version that these make, whenever and however often they are trained on."""
    inputs = [(one.table, one.vintage, one.input_sha256) for one in sources]
    whole = msgspec.json.encode([_FORMAT, FEATURES, inputs, settings, spark_version])
    return hashlib.sha256(whole).hexdigest()[:16]


def find(storage: Storage, version: str | None = None) -> Model | None:
    """The version, else the current one; None when there is none. Raises ModelRefused, StorageUnusable."""
    if version is None and (version := _current(storage)) is None:
        return None
    if not re.fullmatch(r"[0-9a-f]{16}", version) or not storage.exists(_manifest(version)):
        return None
    return _read(storage, _manifest(version), Model)


def publish(storage: Storage, model: Model) -> None:
    """Make the version one, and the current one. Raises ModelRefused, StorageUnusable."""
    if not storage.exists(_manifest(model.version)):
        storage.write(_manifest(model.version), _text(model))
    if _current(storage) != model.version:
        storage.write(_pointer(), _text(_Current(model.version)))


def _current(storage: Storage) -> str | None:
    return _read(storage, _pointer(), _Current).version if storage.exists(_pointer()) else None


def _pointer() -> str:
    return f"models/{NAME}/current.json"


def _manifest(version: str) -> str:
    return f"models/{NAME}/{version}/model.json"


def _read(storage: Storage, path: str, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(storage.read(path), type=kind)
    except msgspec.DecodeError as error:
        raise ModelRefused(f"{storage.place(path)} is not of this version: {error}; train anew") from error


def _text(value: msgspec.Struct) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=1) + b"\n"
