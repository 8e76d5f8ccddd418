"""How long to wait before a process that died is started again: ever longer, up to a limit, for ever."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Backoff:
    """Delays of restarts, seconds."""

    first_s: float = 0.5
    """After the first death."""
    cap_s: float = 60.0
    """The longest; each delay is twice the one before."""
    calm_s: float = 60.0
    """A process that ran for so long has recovered: its next death counts as the first."""

    def delay(self, failures: int) -> float:
        """Seconds to wait after so many deaths in a row, at least one."""
        return min(self.cap_s, self.first_s * 2.0 ** min(failures - 1, 63))


@dataclass(frozen=True, slots=True)
class History:
    """What is remembered of one process."""

    restarts: int = 0
    """Starts after the first one."""
    failures: int = 0
    """Deaths in a row without a calm time between."""
    due: float | None = None
    """When to start it, by the clock of the caller; ``None`` while it runs or nobody wants it to."""
    hangs: int = 0
    """Times that it showed no life and was ended for that."""

    def died(self, now: float, ran_s: float, policy: Backoff) -> History:
        """The process ended at ``now`` after running for ``ran_s`` seconds."""
        failures = 1 if ran_s >= policy.calm_s else self.failures + 1
        return replace(self, failures=failures, due=now + policy.delay(failures))

    def is_due(self, now: float, policy: Backoff) -> bool:
        """Whether to start it at ``now``: its time has come, or is farther away than any delay, as the clock was set back."""
        return self.due is not None and not 0 < self.due - now <= policy.cap_s

    def hung(self) -> History:
        """The process shows no life and is ended; ``died`` follows."""
        return replace(self, hangs=self.hangs + 1)

    def started(self) -> History:
        """The process was started again."""
        return replace(self, restarts=self.restarts + 1, due=None)
