"""The unbroken run of numbers that Kinesis has taken, whatever the order in which it took them."""

from collections.abc import Sequence


class Acknowledged:
    """`until` is the end of the run; what lies beyond a gap is remembered until it closes, a byte each."""

    def __init__(self, until: int) -> None:
        self.until = until
        self._beyond = bytearray()  # from until + 1 on: 1 where the number is with Kinesis

    def add(self, numbers: Sequence[int]) -> None:
        """These numbers are with Kinesis; after two shards were merged they need not ascend."""
        beyond, start = self._beyond, self.until + 1
        beyond.extend(bytes(max(max(numbers) + 1 - start - len(beyond), 0)))
        for number in numbers:
            if number >= start:
                beyond[number - start] = 1
        gap = beyond.find(0)
        closed = len(beyond) if gap < 0 else gap
        self.until += closed
        del beyond[:closed]
