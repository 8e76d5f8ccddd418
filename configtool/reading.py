"""What PVs hold, beside what they should hold."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from configtool.targets import Target
from sipmdcs.channels import Channels, PvValue
from sipmdcs.errors import ChannelError
from sipmdcs.outcome import has_write_alarm
from sipmdcs.severity import Severity, Status

_SLACK = 1e-9
"""Added to tolerances: 57.43 - 57.42 is a little more than 0.01 in binary."""

READ_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Reading:
    """Setpoint and readback of one target at one time."""

    setpoint: float | None
    """``None`` if it could not be read or is no number."""
    readback: float | None
    """``None`` also where the target has no readback."""
    fault: str = ""
    """Why a value is missing or must not be trusted."""
    unproven: str = ""
    """Why values that agree say nothing of the device: its setpoint has a write alarm, or is newer than the readback."""
    updated_ns: int | None = None
    """Time stamp of the readback, Unix nanoseconds."""


def read_targets(channels: Channels, targets: Iterable[Target]) -> dict[str, Reading]:
    """Readings by setpoint PV, all PVs read at once."""
    wanted = list(targets)
    answers = read_pvs(channels, wanted)
    return {target.pv: reading(target, answers) for target in wanted}


def read_pvs(channels: Channels, targets: Iterable[Target]) -> dict[str, PvValue | ChannelError]:
    """What all PVs of targets hold."""
    return channels.get([pv for target in targets for pv in target.pvs], timeout=READ_TIMEOUT_S)


def reading(target: Target, answers: Mapping[str, PvValue | ChannelError]) -> Reading:
    """One target's part of the answers."""
    record = answers[target.pv]
    setpoint, fault = _number(target.pv, record)
    unproven = ""
    if isinstance(record, PvValue) and (has_write_alarm(record) or _is_undefined(record)):
        unproven = f"{target.pv} is INVALID ({record.status.name})"
    if not target.readback:
        return Reading(setpoint, None, fault, unproven)
    answer = answers[target.readback]
    readback, readback_fault = _number(target.readback, answer)
    if isinstance(answer, ChannelError):
        return Reading(setpoint, readback, fault or readback_fault, unproven)
    if answer.severity is Severity.INVALID:
        readback_fault = f"{target.readback} is INVALID ({answer.status.name})"
    if isinstance(record, PvValue) and answer.time_ns < record.time_ns:  # time stamps of one server
        unproven = unproven or f"{target.readback} was not updated since {target.pv} was written"
    return Reading(setpoint, readback, fault or readback_fault, unproven, answer.time_ns)


def _is_undefined(record: PvValue) -> bool:
    return record.severity is Severity.INVALID and record.status is Status.UDF


def _number(pv: str, answer: PvValue | ChannelError) -> tuple[float | None, str]:
    if isinstance(answer, ChannelError):
        return None, str(answer)
    if not isinstance(answer.value, int | float):
        return None, f"{pv} holds {answer.value!r}, which is no number"
    if not math.isfinite(answer.value):
        return None, f"{pv} is {answer.value}"
    return float(answer.value), ""


def mismatch(target: Target, found: Reading) -> str:
    """How a reading differs from the target; empty if setpoint and readback agree with it, and that says something."""
    if found.fault:
        return found.fault
    if not _near(target, found.setpoint):
        return f"{target.pv} is {_show(found.setpoint)}, expected {_show(target.value)} {target.unit}"
    if target.readback and not _near(target, found.readback):
        return f"{target.readback} is {_show(found.readback)}, expected {_show(target.value)} {target.unit}"
    return found.unproven


def _near(target: Target, found: float | None) -> bool:
    return found is not None and abs(found - target.value) <= target.tolerance + _SLACK


def _show(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.10g}"
