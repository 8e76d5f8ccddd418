"""Times as messages and people write them.

Recognised are ISO 8601 (``2026-11-21T13:22:48Z``, with fractions and offsets; also ``/`` for ``-``, a space for ``T``), Unix
seconds of nine to eleven digits (1973 to 5138), and what ``ctime``, ``date`` and ``date -R`` print in English
(``Sat Nov 21 13:22:48 2026``, ``Sat Nov 21 01:22:48 PM UTC 2026``, ``Sat, 21 Nov 2026 13:22:48 +0000``).

A time that names no zone is in the zone of the file, UTC unless it says otherwise. A local time that the clock skipped is
refused, and so is one that it showed twice, unless the second is still to come: it needs an offset. Abbreviations such as CST
mean different times in different places: beside UTC, GMT and Z only that of the zone of the file is understood.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo

_UNIX = re.compile(r"[0-9]{9,11}(?:\.[0-9]{1,9})?")
_ISO = re.compile(r"(?P<date>[0-9]{4}([-/]?)[0-9]{2}\2[0-9]{2})[T ](?P<time>[0-9]{2}.*)", re.IGNORECASE)
_NAMED = re.compile(r"(?P<when>.*[0-9]) ?(?P<zone>[A-Z]{1,5})", re.IGNORECASE)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_WORDS = {
    "weekday": re.compile("(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),?"),
    "month": re.compile("|".join(_MONTHS)),
    "day": re.compile("[0-9]{1,2}"),
    "clock": re.compile(r"[0-9]{2}:[0-9]{2}:[0-9]{2}"),
    "half": re.compile("[AP]M"),
    "year": re.compile("[0-9]{4}"),
    "zone": re.compile(r"[A-Z]{1,5}|[+-][0-9]{2}:?[0-9]{2}"),
}
"""Of what ``date`` prints, in whatever order."""
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_AGO = re.compile(r"(?P<count>[0-9]{1,6}) ?(?P<unit>min|h|d)")
_UNITS = {"min": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
_EXPECTED = "expected ISO 8601 such as 2026-11-21T13:22:48Z, 2026-11-21 13:22:48, Unix seconds, or Sat Nov 21 13:22:48 2026"


def parse_moment(text: str, zone: tzinfo = UTC, latest: datetime | None = None) -> datetime:
    """A time that a message names, in UTC.

    Args:
        text: the time.
        zone: of a time that names none.
        latest: the time cannot be later; tells which of two is meant while the second is still to come.

    Raises:
        ValueError: it is not one of the forms, no such time exists, or it may be either of two.
    """
    plain = " ".join(text.split()).rstrip(".,;")
    try:
        when = _parse(plain, zone)
        return (_local(when, zone, latest) if when.tzinfo is None else when).astimezone(UTC)
    except _OtherZone as err:
        raise ValueError(f"time {plain[:60]!r}: {err} is neither UTC nor the time_zone of the file, {zone}") from err
    except _ClockChange as err:
        raise ValueError(f"time {plain[:60]!r} {err}") from err
    except (ValueError, OverflowError) as err:
        raise ValueError(f"time {plain[:60]!r} is not understood, {_EXPECTED}") from err


class _ClockChange(ValueError):
    """A local time that does not exist, or twice."""


def _local(when: datetime, zone: tzinfo, latest: datetime | None) -> datetime:
    """The one moment at which the clocks of ``zone`` show ``when``."""
    early, late = (when.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    if early.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != when:
        after = early.astimezone(UTC).astimezone(zone)
        raise _ClockChange(
            f"does not exist in {zone}, where the clocks went forward past it; meant may be {after.isoformat(sep=' ')}"
        )
    if early.utcoffset() == late.utcoffset() or (latest is not None and late.astimezone(UTC) > latest):
        return early
    either = " or ".join(f"{one.isoformat(sep=' ')}" for one in (early, late))
    raise _ClockChange(f"was twice in {zone}, when the clocks went back; write which: {either}")


class _OtherZone(ValueError):
    """A name of a time zone that may be any."""


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
    if _DATE.fullmatch(plain):
        try:
            return datetime.fromisoformat(plain).replace(tzinfo=zone).astimezone(UTC)  # the first moment, if midnight is twice
        except (ValueError, OverflowError) as err:
            raise ValueError(f"date {plain!r} is not one of the calendar") from err
    return parse_moment(plain, zone)


def _parse(text: str, zone: tzinfo) -> datetime:
    if _UNIX.fullmatch(text):
        return datetime.fromtimestamp(float(text), UTC)
    if match := _ISO.fullmatch(text):
        named = _NAMED.fullmatch(match["time"])
        clock = named["when"] if named else match["time"]
        when = datetime.fromisoformat(f"{match['date'].replace('/', '-')}T{re.sub(r' (?=[+-])', '', clock)}")
        return _in_zone(when, named["zone"] if named else "", zone)
    return _parse_words(text, zone)


def _parse_words(text: str, zone: tzinfo) -> datetime:
    found: dict[str, str] = {}
    for word in text.split():
        kind = next((kind for kind, form in _WORDS.items() if form.fullmatch(word)), None)
        if kind is None or kind in found:
            raise ValueError(text)
        found[kind] = word
    try:
        month, day, year, clock = _MONTHS.index(found["month"]) + 1, int(found["day"]), found["year"], found["clock"]
    except KeyError as err:
        raise ValueError(text) from err
    if half := found.get("half"):
        hour = int(clock[:2])
        if not 1 <= hour <= 12:
            raise ValueError(text)
        clock = f"{hour % 12 + (12 if half == 'PM' else 0):02d}{clock[2:]}"
    name = found.get("zone", "")
    offset = name if name[:1] in ("+", "-") else ""
    when = datetime.fromisoformat(f"{year}-{month:02d}-{day:02d}T{clock}{offset}")
    return _in_zone(when, "" if offset else name, zone)


def _in_zone(when: datetime, name: str, zone: tzinfo) -> datetime:
    """A local time in the zone that it names, without zone if it names none."""
    if when.tzinfo is not None:
        if name:
            raise ValueError(f"two zones, {name} is the second")
        return when
    if not name:
        return when
    if name.upper() in ("UTC", "GMT", "Z"):
        return when.replace(tzinfo=UTC)
    for fold in (0, 1):
        if (found := when.replace(tzinfo=zone, fold=fold)).tzname() == name:
            return found
    raise _OtherZone(name)
