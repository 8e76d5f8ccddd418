"""The state machine of a run, every case of it."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logbook.refusals import Conflict
from logbook.run_state import Command, RunState, next_state

INIT, RUNNING, PAUSED, ENDED, ABORTED = RunState
START, PAUSE, RESUME, END, ABORT = Command

# Every way into a state (the one before, the present one), and what each command then does; what is not here is refused.
SAME = "same"
TABLE = {
    (None, INIT): {START: RUNNING, ABORT: ABORTED},
    (INIT, RUNNING): {START: SAME, PAUSE: PAUSED, END: ENDED, ABORT: ABORTED},
    (PAUSED, RUNNING): {RESUME: SAME, PAUSE: PAUSED, END: ENDED, ABORT: ABORTED},
    (RUNNING, PAUSED): {PAUSE: SAME, RESUME: RUNNING, END: ENDED, ABORT: ABORTED},
    (RUNNING, ENDED): {END: SAME},
    (PAUSED, ENDED): {END: SAME},
    (INIT, ABORTED): {ABORT: SAME},
    (RUNNING, ABORTED): {ABORT: SAME},
    (PAUSED, ABORTED): {ABORT: SAME},
}


@pytest.mark.parametrize(("way", "command"), list(product(TABLE, Command)), ids=str)
def test_every_command_in_every_state(way: tuple[RunState | None, RunState], command: Command) -> None:
    before, state = way
    expected = TABLE[way].get(command)
    if expected is None:
        with pytest.raises(Conflict, match=rf"cannot {command} a run that is {state}; (expected|nothing)"):
            next_state(before, state, command)
    else:
        assert next_state(before, state, command) == (None if expected == SAME else expected)


@given(st.lists(st.sampled_from(Command)))
def test_repeating_every_command_changes_nothing(commands: list[Command]) -> None:
    def states(repeat: int) -> list[RunState]:
        before, state, passed = None, INIT, [INIT]
        for command in commands:
            for _ in range(repeat):
                try:
                    after = next_state(before, state, command)
                except Conflict:
                    continue
                if after is not None:
                    before, state = state, after
                    passed.append(state)
        return passed

    assert states(2) == states(1)


@given(st.lists(st.sampled_from(Command)))
def test_nothing_follows_an_end(commands: list[Command]) -> None:
    for command in commands:
        if command is END:
            assert next_state(RUNNING, ENDED, command) is None
            continue
        with pytest.raises(Conflict, match="nothing can follow"):
            next_state(RUNNING, ENDED, command)
