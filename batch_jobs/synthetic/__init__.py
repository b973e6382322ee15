"""Loan files that look like the real ones; `write` makes them."""

from batch_jobs.synthetic.writing import write

__all__ = ["write"]
