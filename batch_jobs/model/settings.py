"""The settings of the decision tree, and of the gate that it must pass."""

from typing import Annotated

import msgspec

from headrace.ops.settings import Setting


class ModelSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What a tree is trained with; part of its version, so that other settings make another one."""

    window_months: Annotated[
        int,
        msgspec.Meta(ge=3, le=120),
        Setting("HEADRACE_MODEL_WINDOW_MONTHS", "months from the first payment in which a default counts"),
    ] = 24
    test_from: Annotated[
        str,
        Setting("HEADRACE_MODEL_TEST_FROM", "the first vintage that is only tested on; '' to choose it"),
    ] = ""
    max_depth: Annotated[
        int,
        msgspec.Meta(ge=1, le=6),
        Setting("HEADRACE_MODEL_MAX_DEPTH", "how deep the tree may grow"),
    ] = 5
    least_loans: Annotated[
        int,
        msgspec.Meta(ge=1),
        Setting("HEADRACE_MODEL_LEAST_LOANS", "loans in the smallest leaf"),
    ] = 50
    least_auc: Annotated[
        float,
        msgspec.Meta(ge=0.5, le=1.0),
        Setting("HEADRACE_MODEL_LEAST_AUC", "the out-of-time AUC below which a tree is refused"),
    ] = 0.70
    seed: Annotated[int, Setting("HEADRACE_MODEL_SEED", "seed of the sampling of split points")] = 1
