"""Times as messages and people write them.

Recognised are ISO 8601 (``2026-11-21T13:22:48Z``, with fractions and offsets), ``2026-11-21 13:22:48``, Unix seconds of nine to
eleven digits (1973 to 5138), and what ``ctime`` and ``date`` print in English (``Sat Nov 21 13:22:48 2026``,
``Sat Nov 21 13:22:48 UTC 2026``). A time that names no zone is in the zone of the file, UTC unless it says otherwise; of a
local time that a change of the clock makes ambiguous, the earlier one is taken.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo

_UNIX = re.compile(r"[0-9]{9,11}(?:\.[0-9]{1,9})?")
_ISO = re.compile(r"[0-9]{4}-?[0-9]{2}-?[0-9]{2}[T ][0-9]{2}.*", re.IGNORECASE)
_CTIME = re.compile(
    r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) (?P<month>[A-Z][a-z]{2}) (?P<day>[0-9]{1,2}) (?P<clock>[0-9]{2}:[0-9]{2}:[0-9]{2})"
    r"(?P<zone> (?:UTC|GMT|Z))? (?P<year>[0-9]{4})"
)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_AGO = re.compile(r"(?P<count>[0-9]{1,6}) ?(?P<unit>min|h|d)")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_UNITS = {"min": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
_EXPECTED = "expected ISO 8601 such as 2026-11-21T13:22:48Z, 2026-11-21 13:22:48, Unix seconds, or Sat Nov 21 13:22:48 2026"


def parse_moment(text: str, zone: tzinfo = UTC) -> datetime:
    """A time that a message names, in UTC.

    Raises:
        ValueError: it is not one of the forms, or no such time exists.
    """
    plain = " ".join(text.split()).rstrip(".,;")
    try:
        return _parse(plain, zone).astimezone(UTC)
    except (ValueError, OverflowError) as err:
        raise ValueError(f"time {plain[:60]!r} is not understood, {_EXPECTED}") from err


def parse_cut(text: str, now: datetime, zone: tzinfo = UTC) -> datetime:
    """As ``parse_moment``; also a date alone, and ``30min``, ``8h`` or ``7d`` before ``now``.

    Raises:
        ValueError: it is none of these.
    """
    plain = text.strip()
    if match := _AGO.fullmatch(plain):
        try:
            return now - int(match["count"]) * _UNITS[match["unit"]]
        except OverflowError as err:
            raise ValueError(f"{plain} ago is before the first year of the calendar") from err
    return parse_moment(f"{plain}T00:00:00" if _DATE.fullmatch(plain) else plain, zone)


def _parse(text: str, zone: tzinfo) -> datetime:
    if _UNIX.fullmatch(text):
        return datetime.fromtimestamp(float(text), UTC)
    if _ISO.fullmatch(text):
        return _in_zone(datetime.fromisoformat(re.sub(r" (?=[+-])| ?(?:UTC|GMT)$", _iso_zone, text)), zone)
    if match := _CTIME.fullmatch(text):
        month = _MONTHS.index(match["month"]) + 1
        when = datetime.fromisoformat(f"{match['year']}-{month:02d}-{int(match['day']):02d}T{match['clock']}")
        return _in_zone(when, UTC if match["zone"] else zone)
    raise ValueError(text)


def _iso_zone(match: re.Match[str]) -> str:
    return "Z" if match[0].strip() else ""


def _in_zone(when: datetime, zone: tzinfo) -> datetime:
    return when if when.tzinfo is not None else when.replace(tzinfo=zone)
