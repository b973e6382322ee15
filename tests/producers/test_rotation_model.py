"""Any sequence of writing, rotating, truncating, compressing, stopping and reading: every line comes once."""

import gzip
import os
import shutil
import tempfile
from pathlib import Path
from unittest import mock

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from producers.reading import followed_file
from producers.reading.source import READ_BYTES
from tests.doubles.clock import ManualClock
from tests.producers.following import Following

_FILLER = b" " + b"=" * 1500  # a file of such lines is known by less than its first


class FollowedLogs(RuleBasedStateMachine):
    """The writer holds its file open, as servers do, and goes on in it until it opens the new one.

    Where the medium itself would lose lines (deletion or truncation of what nobody has read and nobody has
    copied), the model lets the reader read first.
    """

    @initialize(
        glob=st.sampled_from(["a.log", "a.log*", "*.log"]),
        open_files=st.sampled_from([1, 2, 256]),
        read_bytes=st.sampled_from([9, 700, READ_BYTES]),
        long_lines=st.booleans(),
    )
    def start(self, glob: str, open_files: int, read_bytes: int, *, long_lines: bool) -> None:
        self.at_a_time = mock.patch.object(followed_file, "READ_BYTES", read_bytes)
        self.at_a_time.start()
        self.place = Path(tempfile.mkdtemp())
        self.logs = self.place / "logs"
        self.logs.mkdir()
        (self.place / "state").mkdir()
        self.filler = _FILLER if long_lines else b""
        self.written: list[bytes] = []
        self.begun = b""
        self.is_copying = False
        self.log = self.logs / "a.log"
        self.writer = self.log.open("ab", buffering=0)
        self.following = Following(
            self.place / "state", ManualClock(), self.logs / glob, open_files=open_files
        )

    # -- the writer

    @rule(count=st.integers(1, 4))
    def write_lines(self, count: int) -> None:
        for _ in range(count):
            self._end_line()

    @rule()
    def write_part_of_a_line(self) -> None:
        if not self.begun:
            self.begun = b"line %d" % len(self.written) + self.filler
            self.writer.write(self.begun[:-1])

    @rule()
    def open_the_new_file(self) -> None:
        """A line that is begun is ended in the file where it was begun."""
        if self.begun:
            self._end_line()
        self.writer.close()
        self.writer = self.log.open("ab", buffering=0)

    # -- logrotate

    @rule(times=st.integers(1, 3), create=st.booleans())
    def rotate(self, times: int, *, create: bool) -> None:
        self._end_copy()
        for _ in range(times):
            self._shift()
            if self.log.exists():
                self.log.rename(self.logs / "a.log.1")
            if create or times > 1:
                self.open_the_new_file()
                self._end_line()

    @rule()
    def begin_to_copy(self) -> None:
        """The copy is seen half made."""
        if not self.is_copying and self.log.exists() and self._writes_to(self.log):
            self._shift()
            content = self.log.read_bytes()
            (self.logs / "a.log.1").write_bytes(content[: len(content) // 2])
            self.is_copying = True

    @rule()
    def copy_and_truncate(self) -> None:
        self.begin_to_copy()
        self._end_copy()

    @rule()
    def compress(self) -> None:
        """The newest rotated file that nobody writes any more."""
        self._end_copy()
        for path in sorted(self.logs.glob("a.log.[0-9]*")):
            if path.suffix != ".gz" and not self._writes_to(path):
                (self.logs / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
                path.unlink()
                return

    @rule()
    def truncate(self) -> None:
        self._end_copy()
        if self.begun:
            self._end_line()
        self._read_all()
        self.writer.truncate(0)

    @rule()
    def delete_and_create(self) -> None:
        self._end_copy()
        if self.begun:
            self._end_line()
        self._read_all()
        self.writer.close()
        self.log.unlink(missing_ok=True)
        self.writer = self.log.open("ab", buffering=0)

    # -- the reader

    @rule(times=st.integers(1, 6), seconds=st.sampled_from([0.0, 0.2, 1.1, 5.1]))
    def read(self, times: int, seconds: float) -> None:
        self.following.clock.sleep(seconds)
        self.following.read(times)

    @rule()
    def commit(self) -> None:
        self.following.commit()

    @rule()
    def stop_and_go_on(self) -> None:
        self.following.restart()

    @invariant()
    def nothing_comes_twice(self) -> None:
        assert len(set(self.following.lines)) == len(self.following.lines)

    def teardown(self) -> None:
        if not hasattr(self, "following"):
            return
        try:
            if self.begun:
                self._end_line()
            self._read_all()
        finally:
            self.following.close()
            self.writer.close()
            self.at_a_time.stop()
            shutil.rmtree(self.place)

    # -- inside

    def _end_copy(self) -> None:
        """What was written meanwhile is in the copy: copying reads to the end."""
        if not self.is_copying:
            return
        self.is_copying = False
        if self.begun:
            self._end_line()
        copy = self.logs / "a.log.1"
        with copy.open("ab") as file:
            file.write(self.log.read_bytes()[copy.stat().st_size :])
        self.writer.truncate(0)

    def _end_line(self) -> None:
        line = b"line %d" % len(self.written) + self.filler
        self.writer.write((line[len(line) - 1 :] if self.begun else line) + b"\n")
        self.begun = b""
        self.written.append(line)

    def _writes_to(self, path: Path) -> bool:
        return os.fstat(self.writer.fileno()).st_ino == path.stat().st_ino

    def _shift(self) -> None:
        rotated = {int(path.name.split(".")[2]): path for path in self.logs.glob("a.log.[0-9]*")}
        for n in sorted(rotated, reverse=True):
            suffix = ".gz" if rotated[n].suffix == ".gz" else ""
            rotated[n].rename(self.logs / f"a.log.{n + 1}{suffix}")

    def _read_all(self) -> None:
        self.following.settle()
        assert sorted(self.following.lines) == sorted(self.written)


FollowedLogs.TestCase.settings = settings(
    max_examples=200,
    stateful_step_count=20,
    deadline=None,
    derandomize=True,  # a run on the real kernel's inodes and change times cannot be shrunk
    suppress_health_check=[HealthCheck.too_slow],
)
TestFollowedLogs = FollowedLogs.TestCase
