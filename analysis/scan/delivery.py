"""Curves on their way to the analysis."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from analysis.chain.inbox import deliver
from analysis.outcome import Kind
from analysis.scan.curve import MIN_POINTS, Curve

Named = tuple[str, Curve]
"""PV prefix of a channel, and its curve."""


def deliver_curves(raw_folder: Path, uid: str, curves: Iterable[Named], run: int | None, taken_at: datetime) -> list[str]:
    """Hand curves that ended as they should to the analysis, each as one raw result; give the channels they are of.

    Raises:
        ServiceError: the disk does not take one.
    """
    delivered: list[str] = []
    for channel, curve in curves:
        if not curve.sound or len(curve.points) < MIN_POINTS:
            continue
        temperature_C = curve.mean_temperature()
        conditions = {} if temperature_C is None else {"temperature_C": round(temperature_C, 3)}
        deliver(
            raw_folder,
            key=f"iv-{uid}-{channel}",
            channel=channel,
            kind=Kind.IV,
            array=curve.array(),
            conditions=conditions,
            run=run,
            taken_at=taken_at,
        )
        delivered.append(channel)
    return delivered
