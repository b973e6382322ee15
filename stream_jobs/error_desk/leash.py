"""`python -m stream_jobs.error_desk.leash STARTER FOLDER PROGRAM …`: a program that dies with its starter.

Where the kernel cannot promise that (anything but Linux), the program outlives a starter that is killed.
"""

import ctypes
import os
import signal
import sys

_SET_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG, linux/prctl.h


def main() -> None:
    """Ask the kernel, then become the program, in the folder, unless the starter is gone already."""
    _, starter, folder, *program = sys.argv
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() == int(starter):
        os.chdir(folder)
        os.execv(program[0], program)  # noqa: S606  the launcher names it


if __name__ == "__main__":
    main()
