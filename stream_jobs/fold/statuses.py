"""The producers' statuses of a partition."""

import numpy as np
import pyarrow as pa

from stream_jobs.fold.intake import Intake
from stream_jobs.fold.windows import TIMESTAMP


def statuses_of(intake: Intake) -> pa.Table | None:
    """Columns source, spooled, acknowledged, closed, arrived_at; None when there are none."""
    if not intake.statuses:
        return None
    events = [placed.verdict for placed in intake.statuses]
    arrivals = intake.arrivals(np.array([placed.at for placed in intake.statuses]))
    return pa.table(
        {
            "source": pa.array([event.source for event in events], pa.string()),
            "spooled": pa.array([event.data.spooled for event in events], pa.int64()),
            "acknowledged": pa.array([event.data.acknowledged for event in events], pa.int64()),
            "closed": pa.array([event.data.closed for event in events], pa.bool_()),
            "arrived_at": pa.array(arrivals).cast(TIMESTAMP),
        }
    )
