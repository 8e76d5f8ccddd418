"""The first half of an outcome: what the server, and the device behind it, answered to the put."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum

from sipmdcs.channels import Channels, PvData, PvMetadata, PvValue
from sipmdcs.errors import ChannelError, ChannelTimeout, NotConnected, PutRefused
from sipmdcs.severity import Severity, Status

COMPLETION_S = 10.0
"""A device that is being polled answers the poll first; no wire of ours takes longer for both."""

_LOOK_S = 2.0


class Completed(StrEnum):
    """How a put ended."""

    DONE = "done"
    """The server carried it out."""
    REFUSED = "refused"
    """Client, server or device said no; nothing was changed."""
    UNKNOWN = "unknown"
    """No answer, or the device did not answer its IOC: it may have been carried out."""


@dataclass(frozen=True, slots=True)
class Completion:
    """The answer to one put."""

    result: Completed = Completed.DONE
    reason: str = ""


def put_completed(
    channels: Channels, values: Mapping[str, PvData], *, timeout: float = COMPLETION_S, may_have_alarms: bool = True
) -> dict[str, Completion]:
    """Put values, wait for completion, and find out why each one failed that did.

    Blocks for at most ``timeout`` and a short look at the records that failed. ``may_have_alarms`` is ``False`` where it is
    known that no record shows an alarm of an earlier put, which spares a request for each.
    """
    if not values:
        return {}
    before: dict[str, PvValue] = {}
    answers = channels.put(values, timeout=timeout, before=before if may_have_alarms else None)
    failed = [pv for pv, error in answers.items() if isinstance(error, PutRefused) and error.carried_out]
    records = channels.get(failed, timeout=_LOOK_S) if failed else {}
    # A record with time stamp and alarm of before was not processed by this put: its alarm is about an earlier one.
    processed = {pv: one for pv, one in records.items() if not _is_unprocessed(one, before.get(pv))}
    processed = _without_later_puts(channels, processed, values)
    messages = alarm_messages(channels, list(processed))
    return {pv: _completion(pv, error, processed.get(pv), messages.get(pv, "")) for pv, error in answers.items()}


def _is_unprocessed(record: PvValue | ChannelError, before: PvValue | None) -> bool:
    if before is None or not isinstance(record, PvValue):
        return False
    return (record.time_ns, record.severity, record.status) == (before.time_ns, before.severity, before.status)


def _without_later_puts(
    channels: Channels, records: Mapping[str, PvValue | ChannelError], values: Mapping[str, PvData]
) -> dict[str, PvValue | ChannelError]:
    """Records without those that hold another real number by now: their alarm is about a later put."""
    numbers = {pv: (values[pv], record.value) for pv, record in records.items() if isinstance(record, PvValue)}
    other = [
        pv
        for pv, (wanted, held) in numbers.items()
        if isinstance(wanted, int | float) and isinstance(held, float) and not math.isclose(wanted, held, rel_tol=1e-6)
    ]
    limits = channels.metadata(other, timeout=_LOOK_S) if other else {}
    clamped = {pv for pv, one in limits.items() if isinstance(one, PvMetadata) and numbers[pv][1] in one.control}
    return {pv: one for pv, one in records.items() if pv not in other or pv in clamped}


def has_write_alarm(setpoint: PvValue | ChannelError | None) -> bool:
    """Whether a setpoint record says that the device refused its value, or did not answer."""
    return (
        isinstance(setpoint, PvValue)
        and setpoint.severity is Severity.INVALID
        and setpoint.status in (Status.WRITE, Status.COMM, Status.TIMEOUT)
    )


def alarm_messages(channels: Channels, pvs: Collection[str]) -> dict[str, str]:
    """``AMSG`` of records, of those that say it."""
    found = channels.get([f"{pv}.AMSG" for pv in pvs], timeout=_LOOK_S) if pvs else {}
    values = {pv: found[f"{pv}.AMSG"] for pv in pvs}
    return {pv: str(one.value) for pv, one in values.items() if isinstance(one, PvValue)}


def _completion(pv: str, error: ChannelError | None, record: PvValue | ChannelError | None, reason: str) -> Completion:
    match error:
        case None:
            return Completion()
        case NotConnected() | ChannelTimeout():
            return Completion(Completed.UNKNOWN, _without_name(pv, error))
        case PutRefused() if not error.carried_out:
            return Completion(Completed.REFUSED, _without_name(pv, error))
        case PutRefused():
            if isinstance(record, PvValue) and has_write_alarm(record):
                if record.status is Status.WRITE:
                    return Completion(Completed.REFUSED, reason or _without_name(pv, error))
                return Completion(Completed.UNKNOWN, reason or "the device did not answer")
            return Completion(Completed.REFUSED, _without_name(pv, error))
        case _:
            return Completion(Completed.UNKNOWN, _without_name(pv, error))


def _without_name(pv: str, error: ChannelError) -> str:
    return str(error).removeprefix(f"{pv}: ")
