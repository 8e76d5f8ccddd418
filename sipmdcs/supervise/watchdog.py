"""Which processes hang: they run, but no longer show that they are alive.

Pure: processes seen and words heard go in, verdicts come out. Times are seconds of one monotonic clock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from sipmdcs.notify import ALIVE, READY

_MAX_EARLY = 1_000
"""PIDs that are heard before they are seen, at most: what other processes send must not fill the memory."""


@dataclass(frozen=True, slots=True)
class Watched:
    """One running process."""

    pid: int
    sign: float
    """When it last showed that it lives; before it ever did, when it was first seen."""
    ready: bool = False
    """Whether it does its work; before, it may load for as long as ``Watchdog.start_s``."""
    excused_s: float = 0.0
    """Time since its last sign of life in which it waited for a processor; ``sign`` is later by that."""


@dataclass(frozen=True, slots=True)
class Watchdog:
    """What is known of every running process, by name. Each method gives the next state."""

    processes: Mapping[str, Watched] = field(default_factory=dict)
    early: Mapping[int, float] = field(default_factory=dict)
    """When a PID that no process had yet said that it is ready: it may be heard before it is seen, and hang after that."""
    silent_s: float = 15.0
    """A process that is ready and silent for so long hangs: 30 s until it works again leave as much for its start."""
    start_s: float = 300.0
    """The same for one that is not ready: loading or migrating a large database may hold its event loop."""
    max_excused_s: float = 150.0
    """So much waiting for a processor is not held against a silent process, and no more."""

    def seen(self, running: Iterable[tuple[str, int]], now: float) -> Watchdog:
        """Exactly these processes, name and PID, run at present."""
        known = self.processes
        early = {pid: at for pid, at in self.early.items() if now - at < self.silent_s}
        processes = {
            name: known[name] if name in known and known[name].pid == pid else Watched(pid, now, ready=pid in early)
            for name, pid in running
        }
        return replace(self, processes=processes, early=early)

    def heard(self, pid: int, words: bytes, now: float) -> Watchdog:
        """A process spoke; other words change nothing."""
        said = words.split(b"\n")
        unknown = all(process.pid != pid for process in self.processes.values())
        if unknown and {ALIVE, READY} <= {*said} and len(self.early) < _MAX_EARLY:
            return replace(self, early={**self.early, pid: now})
        return self._each(
            lambda process: (
                Watched(pid, now, process.ready or READY in said) if process.pid == pid and ALIVE in said else process
            )
        )

    def slept(self, seconds: float) -> Watchdog:
        """The observer was stopped or starved: it heard nobody for so long, whatever they said."""
        return self._each(lambda process: replace(process, sign=process.sign + seconds))

    def suspects(self, now: float) -> dict[str, int]:
        """Names and PIDs of the processes that are silent for unusually long, and may be starved."""
        return {name: process.pid for name, process in self.processes.items() if now - process.sign >= self.silent_s / 3}

    def starved(self, name: str, seconds: float) -> Watchdog:
        """A process waited so long for a processor: it could not show life meanwhile."""
        process = self.processes[name]
        seconds = max(0.0, min(seconds, self.max_excused_s - process.excused_s))
        excused = replace(process, sign=process.sign + seconds, excused_s=process.excused_s + seconds)
        return replace(self, processes={**self.processes, name: excused})

    def ended(self, names: Iterable[str], now: float) -> Watchdog:
        """These were sent a signal that ends them; one that not even that ends is judged again later."""
        return replace(self, processes={**self.processes, **{name: replace(self.processes[name], sign=now) for name in names}})

    def hung(self, now: float) -> dict[str, float]:
        """Names of the processes that hang, with the seconds since their last sign of life."""
        return {
            name: now - process.sign
            for name, process in self.processes.items()
            if now - process.sign >= (self.silent_s if process.ready else self.start_s)
        }

    def _each(self, change: Callable[[Watched], Watched]) -> Watchdog:
        return replace(self, processes={name: change(process) for name, process in self.processes.items()})
