"""What is to be done to the run table: an order carries its own time, so that it can wait on the disk and mean the same.

An order done twice does no more than one done once; a spool may hand one over again after a crash.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

from logbook.refusals import Conflict
from logbook.run import Run, Transition, iso
from logbook.run_state import Command, RunState, next_state
from sipmdcs.errors import BadInput


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """Open a run under a number that was reserved for it."""

    number: int
    request_key: str
    partition: str
    type: str
    at: datetime
    source: str
    who: str
    software_version: str
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """Bring a run into another state."""

    number: int
    command: Command
    at: datetime
    source: str
    who: str
    reason: str = ""
    events: int | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    orphaned: bool = False
    """Whether the data acquisition is dead, so that the run ends with its last sign of life."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """Keep how the detector compared with the configuration of a run at its start."""

    number: int
    at: datetime
    compared: int | None = None
    differing: int | None = None
    unread: int | None = None
    trouble: str = ""
    """Why it could not be compared; empty if it was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Say something of a run."""

    number: int
    field: str
    value: str
    at: datetime
    who: str


Order = Opening | Move | Note | Compared

_KINDS: Mapping[str, type[Order]] = {"open": Opening, "move": Move, "note": Note, "compare": Compared}


def order_json(order: Order) -> dict[str, Any]:
    """An order for the disk."""
    kind = next(name for name, made in _KINDS.items() if isinstance(order, made))
    return {"order": kind} | asdict(order) | {"at": iso(order.at)}


def order_of(content: Mapping[str, Any]) -> Order:
    """An order from the disk.

    Raises:
        BadInput: it is none.
    """
    values = dict(content)
    kind = _KINDS.get(str(values.pop("order", "")))
    try:
        if kind is None:
            raise ValueError("expected open, move, note or compare")
        values["at"] = datetime.fromisoformat(values["at"])
        if "command" in values:
            values["command"] = Command(values["command"])
        return kind(**values)
    except (KeyError, TypeError, ValueError) as err:
        raise BadInput(f"not an order to the run table: {err}") from err


def opened(order: Opening) -> tuple[Run, Transition]:
    """The run that an opening makes; what configuration it ran with is not known here."""
    run = Run(
        number=order.number,
        request_key=order.request_key,
        partition=order.partition,
        type=order.type,
        state=RunState.INIT,
        opened_at=order.at,
        opened_by=order.who,
        software_version=order.software_version,
        facts=dict(order.facts),
        changed_at=order.at,
    )
    return run, Transition(run.number, None, run.state, order.at, order.source, order.who, "")


def moved(run: Run, order: Move) -> tuple[Run, Transition] | None:
    """The run after a move; ``None`` if the order repeats the one that led here.

    A move cannot be earlier than the one before it: where clocks disagree a little it counts as made at the same time.

    Raises:
        Conflict: the run is in a state that does not allow it.
    """
    try:
        after = next_state(run.before, run.state, order.command)
    except Conflict as err:
        raise Conflict(f"run {run.number}: {err}") from err
    if after is None:
        return None
    at = max(order.at, run.changed_at)
    changes: dict[str, Any] = {"state": after, "before": run.state, "changed_at": at, "facts": {**run.facts, **order.facts}}
    if order.events is not None:
        changes["events"] = order.events
    if run.state is RunState.INIT and after is RunState.RUNNING:
        changes["started_at"] = at
    if not after.is_open:
        changes |= {"ended_at": at, "ended_by": order.who, "end_reason": order.reason, "summary": "waiting"}
        changes["orphaned"] = order.orphaned
    return replace(run, **changes), Transition(run.number, run.state, after, at, order.source, order.who, order.reason)


def compared(run: Run, order: Compared) -> Run:
    """The run with what was found on the detector at its start."""
    return replace(
        run,
        config_compared=order.compared,
        config_differing=order.differing,
        config_unread=order.unread,
        config_compared_at=order.at,
        config_trouble=order.trouble,
    )


def same_request(run: Run, order: Opening) -> Run:
    """The run that was opened before with the same request key.

    Raises:
        Conflict: the key was used for something else.
    """
    if (run.partition, run.type) != (order.partition, order.type):
        raise Conflict(
            f"request key {order.request_key!r} opened run {run.number} of type {run.type} in partition {run.partition} before"
        )
    return run
