import pytest

SPARK = [
    pytest.mark.spark,
    pytest.mark.xdist_group("batch-spark"),  # one Spark, and one metastore, for all of them
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),  # py4j's and pyspark's
]
"""Of a test that takes the fixture `spark`: `pytestmark = SPARK`."""
