"""Calls that are under way: a few threads make them, the one that began them learns what came of it."""

import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from queue import Empty, SimpleQueue
from typing import TypeVar

Answer = TypeVar("Answer")


class InFlight:
    """Calls are made in any order; `begin`, `settle` and `wait` belong to one thread."""

    def __init__(self, connections: int) -> None:
        """At most so many calls at once."""
        self.count = 0
        self._connections = connections
        self._asked: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._answered: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._waited_for: deque[Callable[[], None]] = deque()
        self._threads: list[threading.Thread] = []

    @property
    def free(self) -> int:
        """How many more calls may begin."""
        return self._connections - self.count

    def begin(
        self,
        call: Callable[[], Answer],
        then: Callable[[Answer], None],
        otherwise: Callable[[BaseException], None],
    ) -> None:
        """Make a call elsewhere; `settle` will hand its answer to `then`, or its exception to `otherwise`."""
        self.count += 1
        if len(self._threads) < min(self.count, self._connections):
            thread = threading.Thread(target=self._work, name=f"put {len(self._threads) + 1}", daemon=True)
            self._threads.append(thread)
            thread.start()
        self._asked.put(partial(self._make, call, then, otherwise))

    def settle(self) -> None:
        """Hand over what has been answered. Raises what `then` or `otherwise` raises; call it again."""
        while True:
            try:
                hand_over = self._waited_for.popleft() if self._waited_for else self._answered.get_nowait()
            except Empty:
                return
            if hand_over is not None:
                self.count -= 1
                hand_over()

    def wait(self, seconds: float) -> None:
        """Until something is answered, or `wake`, or so many seconds."""
        if self._waited_for:
            return
        try:
            hand_over = self._answered.get(timeout=seconds)
        except Empty:
            return
        if hand_over is not None:
            self._waited_for.append(hand_over)

    def wake(self) -> None:
        """End a `wait`; any thread may say so."""
        self._answered.put(None)

    def close(self) -> None:
        """Wait for the calls that are under way and end the threads; `settle` once more afterwards."""
        for _ in self._threads:
            self._asked.put(None)
        for thread in self._threads:
            thread.join()
        self._threads = []

    def _work(self) -> None:
        while (job := self._asked.get()) is not None:
            job()

    def _make(
        self,
        call: Callable[[], Answer],
        then: Callable[[Answer], None],
        otherwise: Callable[[BaseException], None],
    ) -> None:
        try:
            answer = call()
        except BaseException as error:  # noqa: BLE001  `otherwise` judges it
            self._answered.put(partial(otherwise, error))
        else:
            self._answered.put(partial(then, answer))
