"""The state machine of a run: a table and one function.

=========  =========  ==========  ==========  ========  =========
from       start      pause       resume      end       abort
=========  =========  ==========  ==========  ========  =========
init       running                                      aborted
running               paused                  ended     aborted
paused                            running     ended     aborted
ended
aborted
=========  =========  ==========  ==========  ========  =========

The command that led to the present state may be repeated and does nothing: who got no answer may ask again.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from logbook.refusals import Conflict


class RunState(StrEnum):
    """Where a run stands."""

    INIT = "init"
    RUNNING = "running"
    PAUSED = "paused"
    ENDED = "ended"
    ABORTED = "aborted"

    @property
    def is_open(self) -> bool:
        """Whether the run goes on."""
        return self not in (RunState.ENDED, RunState.ABORTED)


class Command(StrEnum):
    """What one may ask of a run that is open."""

    START = "start"
    PAUSE = "pause"
    RESUME = "resume"
    END = "end"
    ABORT = "abort"


MOVES: Mapping[tuple[RunState, Command], RunState] = {
    (RunState.INIT, Command.START): RunState.RUNNING,
    (RunState.INIT, Command.ABORT): RunState.ABORTED,
    (RunState.RUNNING, Command.PAUSE): RunState.PAUSED,
    (RunState.RUNNING, Command.END): RunState.ENDED,
    (RunState.RUNNING, Command.ABORT): RunState.ABORTED,
    (RunState.PAUSED, Command.RESUME): RunState.RUNNING,
    (RunState.PAUSED, Command.END): RunState.ENDED,
    (RunState.PAUSED, Command.ABORT): RunState.ABORTED,
}
"""The state after a command, by state and command; what is not here is refused."""


def next_state(before: RunState | None, state: RunState, command: Command) -> RunState | None:
    """The state after ``command``; ``None`` if it repeats the one that led here.

    Args:
        before: the state before the present one; ``None`` if the run was only opened.
        state: the present one.
        command: what is asked.

    Raises:
        Conflict: the command cannot be done in this state.
    """
    after = MOVES.get((state, command))
    if after is None and before is not None and MOVES.get((before, command)) == state:
        return None
    if after is None:
        possible = [str(other) for origin, other in MOVES if origin == state]
        expected = f"expected {' or '.join(possible)}" if possible else "nothing can follow"
        raise Conflict(f"cannot {command} a run that is {state}; {expected}")
    return after
