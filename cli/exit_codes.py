"""What the exit code of `headrace` means."""

GOOD = 0
FAILED = 1
WRONG_USE = 2
INTERRUPTED = 130
