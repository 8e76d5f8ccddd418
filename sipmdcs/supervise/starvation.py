"""How long processes had to wait for a processor: one that is starved is silent too, and does not hang."""

from __future__ import annotations

from pathlib import Path

_PROC = Path("/proc")


class Starvation:
    """What was seen of processes at the last look."""

    def __init__(self) -> None:
        self._waited: dict[int, dict[str, int]] = {}

    def since_last_look(self, pid: int) -> float:
        """Seconds that the thread which waited most stood in the queue of a processor since the last call; 0 at the first.

        The second number of ``/proc/PID/task/TID/schedstat``, nanoseconds (kernel: sched-stats.rst).
        """
        now = _waited(pid)
        before = self._waited.get(pid, now)
        self._waited[pid] = now
        return max((waited - before.get(thread, waited) for thread, waited in now.items()), default=0) / 1e9

    def forget_others(self, pids: set[int]) -> None:
        """Keep nothing of processes other than these."""
        self._waited = {pid: waited for pid, waited in self._waited.items() if pid in pids}


def _waited(pid: int) -> dict[str, int]:
    found: dict[str, int] = {}
    for path in (_PROC / str(pid) / "task").glob("*/schedstat"):
        try:
            found[path.parent.name] = int(path.read_text("ascii").split()[1])
        except (OSError, ValueError, IndexError):  # the thread has ended, or the kernel keeps no such count
            continue
    return found
