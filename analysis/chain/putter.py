"""Puts values into the PVs of the channels; whatever cannot be put now waits in SQL.

``VBR`` holds at the temperature ``VBR_TREF``. A curve was taken at another one, so what is put is the value moved there along
``VBR_TCOEF``, both read from the channel: V(T_ref) = V(T) + c·(T_ref - T), as ``OVERVOLTAGE_RBV`` uses it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from analysis.chain.outputs import Pending
from sipmdcs.channels import Channels, PvValue
from sipmdcs.errors import ChannelError
from sipmdcs.outcome import SetpointWriter
from sipmdcs.severity import Severity

GET_S = 3.0

_REFERENCE = ("_TREF", "_TCOEF")


def put_all(channels: Channels, items: Sequence[Pending]) -> dict[Pending, str]:
    """Put values and wait for the outcome of each. Blocks for some seconds where one does not answer.

    Returns:
        For each an empty text, or why it could not be put.
    """
    names = [f"{item.pv}{suffix}" for item in items if _is_vbr(item) for suffix in _REFERENCE]
    reference = channels.get(names, timeout=GET_S) if names else {}
    values: dict[str, float] = {}
    said: dict[Pending, str] = {}
    for item in items:
        try:
            values[item.pv] = at_reference(item, reference) if _is_vbr(item) else item.value
        except ChannelError as err:
            said[item] = str(err)
    outcomes = SetpointWriter(channels).write(values)
    for item in items:
        if item not in said:
            outcome = outcomes[item.pv]
            said[item] = "" if outcome.ok else f"{item.pv}: {outcome.text}"
    return said


def at_reference(item: Pending, reference: Mapping[str, PvValue | ChannelError]) -> float:
    """A breakdown voltage at the reference temperature of its channel.

    Args:
        item: the value, with the temperature at which it was measured.
        reference: readings of ``VBR_TREF`` (°C) and ``VBR_TCOEF`` (mV/K).

    Raises:
        ChannelError: one of them cannot be read or is INVALID, or nobody knows the temperature of the measurement.
    """
    if item.temperature_C is None:
        raise ChannelError(item.pv, "not put: the raw result has no condition temperature_C, so it cannot be moved to VBR_TREF")
    found: list[float] = []
    for suffix in _REFERENCE:
        reading = reference[f"{item.pv}{suffix}"]
        if isinstance(reading, ChannelError):
            raise reading
        if reading.severity is Severity.INVALID or not isinstance(reading.value, int | float):
            raise ChannelError(f"{item.pv}{suffix}", "is INVALID")
        found.append(float(reading.value))
    t_ref, coefficient = found
    return item.value + coefficient / 1000 * (t_ref - item.temperature_C)


def _is_vbr(item: Pending) -> bool:
    return item.pv.endswith(":VBR")
