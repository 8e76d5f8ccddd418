"""Moments in time as people and programs write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

from sipmdcs.clock import NS, from_datetime

_ISO = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d)[T ](?P<time>\d\d:\d\d(:\d\d)?)(\.(?P<fraction>\d+))?"
    r"\s?(?P<zone>Z|[+-]?\d\d:?\d\d)?"
)
LATEST_NS = 9_000_000_000 * NS
"""In 2255; times beyond it, and as long before 1970, would not fit into the 64 bits of a sample's time."""
_AGO = re.compile(r"-(?P<count>\d+(\.\d+)?)\s*(?P<unit>ms|s|m|h|d|w)")
_UNITS_S = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}


def parse_iso(text: str) -> int:
    """An ISO 8601 time with ``Z`` or offset and any number of fractional digits, as Unix nanoseconds.

    A time before 1684 or after 2255 becomes the nearest in between.
    The ``+`` of an offset may be missing or a blank: that is what becomes of it in a URL where it was not escaped.

    Raises:
        ValueError: it is none, with what was expected.
    """
    match = _ISO.fullmatch(text.strip())
    if match is None or match["zone"] is None:
        raise ValueError(f"{text!r} is no time, expected one such as 2026-11-21T10:00:00.000Z")
    try:
        base = datetime.fromisoformat(f"{match['date']}T{match['time']}").replace(tzinfo=_zone(match["zone"]))
        fraction = (match["fraction"] or "").ljust(9, "0")[:9]
        return _in_range(from_datetime(base) + int(fraction))
    except (ValueError, OverflowError) as err:
        raise ValueError(f"{text!r} is no time: {err}") from err


def _in_range(time_ns: int) -> int:
    """The nearest time that a sample can have: nothing is archived beyond."""
    return min(max(time_ns, -LATEST_NS), LATEST_NS)


def _zone(text: str) -> timezone:
    if text == "Z":
        return UTC
    sign = -1 if text[0] == "-" else 1
    digits = text.lstrip("+-").replace(":", "")
    return timezone(sign * timedelta(hours=int(digits[:2]), minutes=int(digits[2:])))


def parse_moment(text: str, now_ns: int) -> int:
    """As ``parse_iso``, or ``now``, or how long ago: ``-90s``, ``-5m``, ``-1.5h``, ``-2d``, ``-1w``. Without zone it is UTC.

    Raises:
        ValueError: it is none of these.
    """
    text = text.strip()
    if text == "now":
        return now_ns
    if ago := _AGO.fullmatch(text):
        ago_s = min(float(ago["count"]) * _UNITS_S[ago["unit"]], 2 * LATEST_NS / NS)
        return _in_range(now_ns - round(ago_s * NS))
    if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        text += "T00:00:00"
    match = _ISO.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no time, expected now, -1h, 2026-11-21 or 2026-11-21T10:00:00Z")
    return parse_iso(text if match["zone"] else text + "Z")


def format_iso(time_ns: int) -> str:
    """ISO 8601 in UTC with nanoseconds."""
    seconds, nanos = divmod(time_ns, NS)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{nanos:09d}Z"
