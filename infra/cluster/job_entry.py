"""What spark-submit is given on a cluster: it runs the stream job of the archive that lies on PYTHONPATH."""

import runpy

if __name__ == "__main__":
    runpy.run_module("stream_jobs", run_name="__main__")
