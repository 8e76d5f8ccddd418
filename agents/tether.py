"""A process that does not outlive the one that started it, even if that one is killed.

``python -m agents.tether PARENT PROGRAM ARGUMENT…`` becomes ``PROGRAM``, tied to process number ``PARENT``.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
"""``prctl(2)``; kept over ``execve``, dropped when the process changes its user."""
_PR_SET_CHILD_SUBREAPER = 36


def die_with_parent(parent: int) -> None:
    """Let the kernel end this process when its parent ends; ends it at once if that has happened.

    Args:
        parent: process number that the parent had when it started this process.

    Raises:
        OSError: the kernel refuses.
    """
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def adopt_orphans() -> None:
    """Become the parent of whatever a child of this process leaves behind.

    Raises:
        OSError: the kernel refuses.
    """
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def main() -> None:
    """Run as the module's docstring says."""
    parent, program, *arguments = sys.argv[1:]
    die_with_parent(int(parent))
    os.execv(program, [program, *arguments])  # noqa: S606 - the point of this program


if __name__ == "__main__":
    main()
