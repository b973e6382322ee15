"""What the producer of a demo says of itself: how much it has sent, and what each input gave."""

import urllib.error
import urllib.request
from collections.abc import Mapping

import msgspec

from infra.local import ports, processes
from infra.local.stack import PRODUCER
from infra.local.state import State


class Given(msgspec.Struct, frozen=True):
    """One input: `read` are its lines so far, `problem` says what holds it up."""

    read: int = 0
    problem: str = ""
    source: str = ""


class _Detail(msgspec.Struct):
    spooled: int
    waiting: int
    inputs: dict[str, Given]


class _Answer(msgspec.Struct):
    detail: _Detail


class Producer:
    """Asked again and again while it runs; what it said last stays when it has ended.

    `sent` is how many records Kinesis has taken, `inputs` what each input gave.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self.sent = 0
        self.inputs: dict[str, Given] = {}
        self._told: set[str] = set()

    def ask(self) -> None:
        """Hear how far it is, if it answers."""
        said = self._answer()
        if said is not None:
            self.sent = max(self.sent, said.spooled - said.waiting)
            self.inputs |= {name: _later(self.inputs.get(name), it) for name, it in said.inputs.items()}

    def new_problems(self) -> list[str]:
        """What holds an input up, once for each: attempts that go on failing fail in ever other words."""
        found = {
            name: it.problem for name, it in self.inputs.items() if it.problem and name not in self._told
        }
        self._told |= found.keys()
        return [f"{name}: {problem}" if name else problem for name, problem in found.items()]

    @property
    def gave(self) -> bool:
        """Whether anything has come."""
        return any(it.read for it in self.inputs.values())

    def summary(self) -> list[str]:
        """Which source each named input was, and why it was none."""
        return [f"{name}: {_was(it)}" for name, it in self.inputs.items() if name]

    def _answer(self) -> _Detail | None:
        running = processes.find(self._state, PRODUCER)
        if running is None:
            return None
        try:
            return msgspec.json.decode(_health(running.port), type=_Answer).detail
        except (OSError, msgspec.DecodeError):
            return None


def counts(inputs: Mapping[str, Given]) -> str:
    """What several inputs gave, in a few words; nothing for one alone."""
    return ", ".join(f"{name} {it.read:,}" for name, it in inputs.items()) if len(inputs) > 1 else ""


def _health(port: int) -> bytes:
    """The answer, also where it is 503: an input has failed, and the answer says why."""
    try:
        with urllib.request.urlopen(f"http://{ports.LOOPBACK}:{port}/healthz", timeout=2) as answer:
            body: bytes = answer.read()
    except urllib.error.HTTPError as error:
        with error:
            body = error.read()
    return body


def _later(before: Given | None, now: Given) -> Given:
    """An input that was begun again counts from nothing: what it gave before is not forgotten."""
    if before is None or now.read >= before.read:
        return now
    return Given(before.read, now.problem, before.source)


def _was(it: Given) -> str:
    trouble = f" ({it.problem})" if it.problem else ""
    return f"sent as {it.source}{trouble}" if it.read else f"nothing has come{trouble}"
