"""The same thing done by several threads at the same time."""

import threading
from collections.abc import Callable


def at_once(count: int, call: Callable[[], None]) -> None:
    """Call it in so many threads. Raises what one of them raised, AssertionError when one does not end."""
    failures: list[BaseException] = []

    def one() -> None:
        try:
            call()
        except BaseException as error:  # noqa: BLE001  raised below
            failures.append(error)

    threads = [threading.Thread(target=one, daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
        assert not thread.is_alive()
    for failure in failures:
        raise failure
