"""What PVs hold, beside what they should hold."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from configtool.targets import Target
from sipmdcs.channels import Channels, PvValue
from sipmdcs.errors import ChannelError
from sipmdcs.severity import Severity

_SLACK = 1e-9
"""Added to tolerances: 57.43 - 57.42 is a little more than 0.01 in binary."""

READ_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Reading:
    """Set-point and readback of one target at one time."""

    setpoint: float | None
    """``None`` if it could not be read or is no number."""
    readback: float | None
    """``None`` also where the target has no readback."""
    fault: str = ""
    """Why a value is missing or must not be trusted."""


def read_targets(channels: Channels, targets: Iterable[Target]) -> dict[str, Reading]:
    """Readings by set-point PV, all PVs read at once."""
    wanted = list(targets)
    answers = channels.get([pv for target in wanted for pv in target.pvs], timeout=READ_TIMEOUT_S)
    return {target.pv: reading(target, answers) for target in wanted}


def reading(target: Target, answers: Mapping[str, PvValue | ChannelError]) -> Reading:
    """One target's part of the answers."""
    setpoint, fault = _number(target.pv, answers[target.pv])
    if not target.readback:
        return Reading(setpoint, None, fault)
    answer = answers[target.readback]
    readback, readback_fault = _number(target.readback, answer)
    if isinstance(answer, PvValue) and answer.severity is Severity.INVALID:
        readback_fault = f"{target.readback} is INVALID ({answer.status.name})"
    return Reading(setpoint, readback, fault or readback_fault)


def _number(pv: str, answer: PvValue | ChannelError) -> tuple[float | None, str]:
    if isinstance(answer, ChannelError):
        return None, str(answer)
    if not isinstance(answer.value, int | float):
        return None, f"{pv} holds {answer.value!r}, which is no number"
    if not math.isfinite(answer.value):
        return None, f"{pv} is {answer.value}"
    return float(answer.value), ""


def distance(target: Target, found: Reading, wanted: float) -> float:
    """How far set-point and readback together are from a value; infinite where one is unknown."""
    values = (found.setpoint, found.readback) if target.readback else (found.setpoint,)
    return sum((math.inf if value is None else abs(value - wanted) for value in values), 0.0)


def mismatch(target: Target, found: Reading) -> str:
    """How a reading differs from the target; empty if set-point and readback agree with it."""
    return _compare(target, found, target.value, (target.value,))


def not_restored(target: Target, before: Reading, found: Reading) -> str:
    """How a reading differs from an earlier one.

    Empty if the set-point is what it was, and the readback agrees with that or is what it was.
    """
    if before.setpoint is None:
        return f"{target.pv} cannot be restored: {before.fault}"
    expected = [value for value in (before.setpoint, before.readback) if value is not None]
    return _compare(target, found, before.setpoint, expected)


def _compare(target: Target, found: Reading, wanted: float, readbacks: Iterable[float]) -> str:
    if found.fault:
        return found.fault
    if found.setpoint is None or not _near(target, found.setpoint, wanted):
        return f"{target.pv} is {_show(found.setpoint)}, expected {_show(wanted)} {target.unit}"
    if target.readback and not any(_near(target, found.readback, value) for value in readbacks):
        return f"{target.readback} is {_show(found.readback)}, expected {_show(wanted)} {target.unit}"
    return ""


def _near(target: Target, found: float | None, wanted: float) -> bool:
    return found is not None and abs(found - wanted) <= target.tolerance + _SLACK


def _show(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.10g}"
