"""The moments of one PV, fed with its history piece by piece: a run may be longer than a reply of the archive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from logbook.moments import NOT_TAKEN, Moments, Steps, moments


@dataclass(frozen=True, slots=True)
class Outage:
    """A time without connection."""

    lost_ns: int
    regained_ns: int


@dataclass(frozen=True, slots=True)
class Piece:
    """Samples of one PV as the archive gave them: in order, the first may be from before the interval asked for."""

    time_ns: NDArray[np.int64]
    value: NDArray[np.float64]
    severity: NDArray[np.int8]
    outages: Mapping[int, Outage]
    """By index of the first sample after it."""


@dataclass(frozen=True, slots=True)
class Fold:
    """What is known of an interval so far."""

    start_ns: int
    """How far it is known; the interval starts here at first."""
    end_ns: int
    total: Moments = Moments()  # noqa: RUF009 - frozen
    held: tuple[int, float, int] | None = None
    """Time, value and severity of the newest sample: how long it holds is not known yet."""

    def feed(self, piece: Piece) -> Fold:
        """With the next piece; samples that came before are passed over."""
        newer = piece.time_ns > self.held[0] if self.held else np.ones(len(piece.time_ns), np.bool_)
        if not newer.any():
            return self
        steps = _steps(piece, newer, self.held)
        last = len(piece.time_ns) - 1
        upto_ns = min(max(int(piece.time_ns[last]), self.start_ns), self.end_ns)
        held = (int(piece.time_ns[last]), float(piece.value[last]), int(piece.severity[last]))
        # The newest sample is at the open end: it counts when it is known how long it holds.
        return replace(self, start_ns=upto_ns, total=self.total + moments(steps, self.start_ns, upto_ns), held=held)

    def close(self, lost_ns: int | None = None) -> Moments:
        """To the end of the interval.

        Args:
            lost_ns: when the connection was lost, if it still was when the last piece was asked for.
        """
        times, values, severities, counts = [], [], [], []
        if self.held is not None:
            times, values, severities, counts = [self.held[0]], [self.held[1]], [self.held[2]], [True]
            if lost_ns is not None:
                times.append(max(lost_ns, self.held[0]))
                values.append(np.nan)
                severities.append(NOT_TAKEN)
                counts.append(False)
        steps = Steps(
            np.array(times, np.int64), np.array(values, np.float64), np.array(severities, np.int8), np.array(counts, np.bool_)
        )
        return self.total + moments(steps, self.start_ns, self.end_ns)


def _steps(piece: Piece, newer: NDArray[np.bool_], held: tuple[int, float, int] | None) -> Steps:
    """Held sample and new ones as steps, with those at which a connection came or went."""
    first = int(np.argmax(newer))
    time_ns, value, severity = piece.time_ns[first:], piece.value[first:], piece.severity[first:]
    shift = -first
    if held is not None:
        time_ns, value, severity = np.append(held[0], time_ns), np.append(held[1], value), np.append(held[2], severity)
        shift += 1
    counts = np.ones(len(time_ns), np.bool_)
    for index in sorted(piece.outages, reverse=True):
        place = index + shift
        if place < 1:
            continue
        outage = piece.outages[index]
        before, after = int(time_ns[place - 1]), int(time_ns[place])
        lost = min(max(outage.lost_ns, before), after)
        regained = min(max(outage.regained_ns, lost), after)
        time_ns = np.insert(time_ns, place, [lost, regained])
        value = np.insert(value, place, [np.nan, value[place - 1]])
        severity = np.insert(severity, place, [NOT_TAKEN, severity[place - 1]])
        counts = np.insert(counts, place, [False, False])
    return Steps(time_ns, value, severity, counts)
