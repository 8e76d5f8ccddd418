"""Records looked up once, for a program that posts to them again and again: what ``RecordServer.bind`` gives."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import cast

import numpy as np

from iocs.records.record import READ, LiveRecord
from iocs.records.waveform import WaveformRecord
from sipmdcs.errors import ChannelError
from sipmdcs.publisher import Value
from sipmdcs.severity import Severity, Status

ALARMS = tuple(tuple((severity, status) for status in Status) for severity in Severity)
"""Every alarm there is, by number of severity and of status."""
NO_ALARM = ALARMS[0][0]


class BoundRecords:
    """Implements ``sipmdcs.publisher.BoundRecords``.

    Args:
        records: ``None`` for a place without record.
        touch: called when something that survives a restart may have changed.
    """

    def __init__(self, records: Sequence[LiveRecord | None], touch: Callable[[], None]) -> None:
        self._records = records
        self._touch = touch
        self._has_autosave = any(record is not None and record.autosave for record in records)
        self._has_arrays = any(isinstance(record, WaveformRecord) for record in records)

    def post(self, values: Iterable[Value | None], *, time_ns: int) -> None:
        if self._has_autosave:
            self._touch()
        problem: ChannelError | None = None
        for record, value in zip(self._records, values, strict=True):
            if record is None:
                continue
            if value is None:
                record.invalidate(time_ns, READ)
                continue
            try:
                record.update(value, time_ns)
            except (ValueError, TypeError, OverflowError) as err:
                problem = problem or cannot_hold(record, value, err)
        if problem is not None:
            raise problem

    def values(self) -> list[Value]:
        if self._has_arrays:
            return [0 if record is None else value_of(record) for record in self._records]
        return [0 if record is None else record.val for record in self._records]

    def severity(self) -> Severity:
        return Severity(max([record.sevr for record in self._records if record is not None], default=0))

    def alarms(self) -> list[tuple[Severity, Status]]:
        return [NO_ALARM if record is None else ALARMS[record.sevr][record.stat] for record in self._records]


def value_of(record: LiveRecord) -> Value:
    """The present value, an array as list."""
    value = record.val
    return cast("Value", value.tolist() if isinstance(value, np.ndarray) else value)


def cannot_hold(record: LiveRecord, value: Value, problem: Exception) -> ChannelError:
    """Why ``record`` is INVALID instead of taking ``value``."""
    return ChannelError(record.name, f"cannot hold {value!r}: {problem}")
