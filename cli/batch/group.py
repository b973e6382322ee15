"""`headrace batch`: the static pipeline, a command per step."""

from cli.lazy import Lazy, LazyGroup

COMMANDS = {
    "run": Lazy("cli.batch.run", "The whole pipeline, on a synthetic book or on your own files."),
    "synthesize": Lazy("cli.batch.synthesize", "Write loan files that look like the real ones."),
    "ingest": Lazy("cli.batch.ingest", "Take loan files: zips or text, as downloaded."),
    "originations": Lazy("cli.batch.originations", "Raw originations to typed, partitioned Parquet."),
    "performance": Lazy("cli.batch.performance", "Raw monthly performance to typed, partitioned Parquet."),
    "load-warehouse": Lazy("cli.batch.load_warehouse", "Load the tables into the warehouse."),
    "unload": Lazy("cli.batch.unload", "Write a warehouse table back to Parquet."),
    "load-mysql": Lazy("cli.batch.load_mysql", "Load the tables into MySQL, every byte checked."),
    "train": Lazy("cli.batch.train", "Train the decision tree for early default."),
    "score": Lazy("cli.batch.score", "Score originations with a trained tree."),
    "hql": Lazy("cli.batch.hql", "Run one of the analysts' Hive queries."),
}

HELP = """Loan files to Hive tables, to the warehouse and MySQL, and to a decision tree.

Every step is safe to repeat: what is done already is not done twice.
"""
EXAMPLE = """
\b
Example: headrace batch run --loans 2000
         headrace batch ingest historical_data_2005Q1.zip
"""
command = LazyGroup("batch", COMMANDS, help=HELP, epilog=EXAMPLE)
