"""Circuit breaker of one source, as a value: every function gives the next state.

A source that does not answer is not asked again until ``retry_at``; then one question goes out as a probe, and its outcome
decides (M. Nygard, *Release It!*, "Circuit Breaker"). One unanswered question opens it, because whoever reports it has
verified that the source is silent and not merely busy with that question.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

RETRY_S = 2.0
"""From the last unanswered question to the next probe."""
PROBE_S = 30.0
"""A probe that reports nothing for so long counts as lost, and another may go out."""


class Circuit(Enum):
    """Whether questions go out."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half open"
    """A probe is under way."""


@dataclass(frozen=True, slots=True)
class Breaker:
    """State of the circuit. ``now`` is monotonic seconds throughout."""

    since_ns: int | None = None
    """Wall clock of the first unanswered question since the last answer; ``None`` while the source answers."""
    retry_at: float = 0.0
    """When the next probe may go out; of no meaning while closed."""
    probing: bool = False

    @property
    def circuit(self) -> Circuit:
        """Which of the three states this is."""
        if self.since_ns is None:
            return Circuit.CLOSED
        return Circuit.HALF_OPEN if self.probing else Circuit.OPEN

    def admit(self, now: float) -> Breaker | None:
        """The state once a question is out; ``None`` if none may go out now."""
        if self.since_ns is None:
            return self
        return replace(self, retry_at=now + PROBE_S, probing=True) if now >= self.retry_at else None

    def answered(self) -> Breaker:
        """The state after an answer, whichever question it was to."""
        return self if self.since_ns is None else Breaker()

    def unanswered(self, now: float, now_ns: int) -> Breaker:
        """The state after a question without an answer; ``now_ns`` is the wall clock, nanoseconds since the Unix epoch."""
        return Breaker(now_ns if self.since_ns is None else self.since_ns, now + RETRY_S)

    def retry_in(self, now: float) -> float:
        """Seconds until a question may go out again; 0 if it may now."""
        return 0.0 if self.since_ns is None else max(self.retry_at - now, 0.0)
