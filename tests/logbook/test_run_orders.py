"""Orders: what they do to a run, and that they survive the disk."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from logbook.orders import Move, Note, Opening, moved, opened, order_json, order_of, same_request
from logbook.refusals import Conflict
from logbook.run import run_of, whole_json
from logbook.run_state import Command, RunState
from sipmdcs.errors import BadInput

T = datetime(2026, 1, 1, 12, tzinfo=UTC)
OPENING = Opening(
    number=7,
    request_key="k",
    partition="MAIN",
    type="physics",
    at=T,
    source="http",
    who="daq",
    software_version="1",
    facts={"a": 1},
)


def move(command: Command, seconds: float, **more) -> Move:
    return Move(number=7, command=command, at=T + timedelta(seconds=seconds), source="http", who="daq", **more)


@pytest.mark.parametrize(
    "order",
    [
        OPENING,
        move(Command.END, 1.5, reason="ü", events=2**62, facts={"b": [1, {"c": None}]}),
        Note(number=7, field="comment", value="ok", at=T, who="me"),
    ],
)
def test_an_order_survives_the_disk(order) -> None:
    assert order_of(json.loads(json.dumps(order_json(order)))) == order


@pytest.mark.parametrize(
    "content", [{}, {"order": "open"}, {"order": "sell"}, {"order": "move", "number": 1, "command": "fly", "at": "x"}]
)
def test_what_is_no_order_is_said_so(content) -> None:
    with pytest.raises(BadInput, match="not an order to the run table"):
        order_of(content)


def test_a_whole_run() -> None:
    run, first = opened(OPENING)
    assert (first.before, first.after, run.state) == (None, RunState.INIT, RunState.INIT)
    for command, seconds, state in (("start", 1, "running"), ("pause", 2, "paused"), ("resume", 3, "running")):
        run, transition = moved(run, move(Command(command), seconds)) or pytest.fail("nothing happened")
        assert (run.state, transition.after, transition.at) == (state, state, T + timedelta(seconds=seconds))
    run, transition = moved(run, move(Command.END, 10, reason="beam off", events=5, facts={"b": 2})) or pytest.fail("nothing")
    assert (run.started_at, run.ended_at, run.events) == (T + timedelta(seconds=1), T + timedelta(seconds=10), 5)
    assert (run.end_reason, run.ended_by, run.summary, run.facts) == ("beam off", "daq", "waiting", {"a": 1, "b": 2})
    assert moved(run, move(Command.END, 99, events=6)) is None
    assert run_of(json.loads(json.dumps(whole_json(run)))) == run


def test_time_does_not_go_back() -> None:
    run, _ = opened(OPENING)
    run, transition = moved(run, move(Command.ABORT, -60)) or pytest.fail("nothing happened")
    assert run.ended_at == transition.at == run.opened_at


def test_a_request_key_stands_for_one_request() -> None:
    run, _ = opened(OPENING)
    assert same_request(run, OPENING) is run
    for changed in ({"partition": "LED"}, {"type": "iv"}):
        with pytest.raises(Conflict, match="opened run 7 of type physics in partition MAIN before"):
            same_request(run, order_of(order_json(OPENING) | changed))  # type: ignore[arg-type]
