import os
from pathlib import Path

import pytest

from headrace.errors import SourceUnreadable
from producers.quarantine import Quarantine
from producers.reading.source import NOTHING_NOW
from producers.sources.stdin import StdinSource


def test_lines_come_as_they_are_written_and_the_last_needs_no_line_feed(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    source = StdinSource(Quarantine(tmp_path), file=reading)
    assert source.read() is NOTHING_NOW
    os.write(writing, b"one\ntw")
    chunk = source.read()
    assert chunk is not None
    assert (chunk.input, chunk.lines, chunk.places) == ("stdin", [b"one"], [b"4"])
    os.write(writing, b"o")
    os.close(writing)
    assert source.read() is NOTHING_NOW
    chunk = source.read()
    assert chunk is not None
    assert (chunk.lines, chunk.places) == ([b"two"], [b"7"])
    assert source.read() is None
    os.close(reading)


def test_binary_input_is_refused(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.write(writing, bytes(range(256)))
    with pytest.raises(SourceUnreadable, match="standard input is no text"):
        StdinSource(Quarantine(tmp_path), file=reading).read()
    os.close(writing)
    os.close(reading)
