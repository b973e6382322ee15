"""Taking loan files: what is there, what it holds, and where it is kept."""

from batch_jobs.ingest.taking import Outcome, Taken, ingest, take

__all__ = ["Outcome", "Taken", "ingest", "take"]
