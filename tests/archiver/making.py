"""Makings of archiver tests."""

import numpy as np

from archiver.rows import ROW, Rows
from sipmdcs.channels import Kind, PvData
from sipmdcs.clock import NS

START_NS = 1_767_225_600 * NS


def sample_rows(samples: list[tuple[int, float, float]], *, delay_s: float = 0.01) -> Rows:
    """Rows of (PV number, seconds after START_NS, value)."""
    rows = np.zeros(len(samples), ROW)
    for index, (pv, seconds, value) in enumerate(samples):
        time_ns = START_NS + round(seconds * NS)
        rows[index]["pv"] = pv
        rows[index]["time_ns"] = time_ns
        rows[index]["received_ns"] = time_ns + round(delay_s * NS)
        rows[index]["value"] = value
    return Rows(rows, [])


def payload_rows(samples: list[tuple[int, float, PvData]]) -> Rows:
    """Rows with payloads of (PV number, seconds after START_NS, value)."""
    made = sample_rows([(pv, seconds, 0.0) for pv, seconds, _ in samples])
    for index, (_, _, value) in enumerate(samples):
        made.rows[index]["payload"] = index + 1
        kind = Kind.TEXT if isinstance(value, str) else Kind.TEXT_ARRAY if isinstance(value, list) else Kind.ARRAY
        made.rows[index]["kind"] = int(kind)
    return Rows(made.rows, [value for _, _, value in samples])


def link_rows(events: list[tuple[int, float, bool]]) -> Rows:
    """Connections (true) and disconnections of (PV number, seconds after START_NS, up)."""
    made = sample_rows([(pv, seconds, 0.0) for pv, seconds, _ in events], delay_s=0)
    for index, (_, _, up) in enumerate(events):
        made.rows[index]["kind"] = int(Kind.CONNECTED if up else Kind.DISCONNECTED)
    return made
