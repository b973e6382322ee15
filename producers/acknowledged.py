"""The unbroken run of numbers that Kinesis has taken, whatever the order in which it took them."""

from collections.abc import Sequence


class Acknowledged:
    """`until` is the end of the run; what lies beyond a gap is remembered until the gap closes."""

    def __init__(self, until: int) -> None:
        self.until = until
        self._beyond: set[int] = set()

    def add(self, numbers: Sequence[int]) -> None:
        """These numbers, which ascend, are with Kinesis."""
        first, last = numbers[0], numbers[-1]
        if first == self.until + 1 and last - first + 1 == len(numbers):  # the usual case: a run of lines
            self.until = last
        else:
            self._beyond.update(number for number in numbers if number > self.until)
        while self._beyond and self.until + 1 in self._beyond:
            self.until += 1
            self._beyond.remove(self.until)
