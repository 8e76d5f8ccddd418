"""Times as messages write them."""

import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logbook.downtime.moment import parse_cut, parse_moment

ROME = ZoneInfo("Europe/Rome")
MOMENT = datetime(2026, 11, 21, 13, 22, 48, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-21T13:22:48Z",
        "2026-11-21T14:22:48+01:00",
        "2026-11-21 14:22:48 +0100",
        "2026-11-21 13:22:48 UTC",
        "2026-11-21 13:22:48Z.",
        "20261121T132248Z",
        "1795267368",
        "1795267368.000",
        "Sat Nov 21 13:22:48 UTC 2026",
        "Sat Nov 21 13:22:48 GMT 2026",
        "2026/11/21 13:22:48 Z",
        "2026-11-21T13:22:48,000000000+00:00",
        "Sat, 21 Nov 2026 14:22:48 +0100",
        "Sat Nov 21 01:22:48 PM UTC 2026",
        "Sat 21 Nov 2026 01:22:48 PM UTC",
        "Sat 21 Nov 13:22:48 GMT 2026",
        "Sat Nov 21 14:22:48 CET 2026",
        "2026-11-21 14:22:48 CET",
    ],
)
def test_forms_that_name_their_zone(text: str) -> None:
    assert parse_moment(text, ROME) == MOMENT


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-21 14:22:48",
        "2026-11-21T14:22:48",
        "Sat Nov 21 14:22:48 2026",
        "Sat Nov  21 14:22:48 2026",
        "2026/11/21 14:22:48",
    ],
)
def test_forms_that_do_not_are_in_the_zone_given(text: str) -> None:
    assert parse_moment(text, ROME) == MOMENT
    assert parse_moment(text) == MOMENT + timedelta(hours=1)


@pytest.mark.parametrize(
    ("text", "zone", "reason"),
    [
        ("2026-03-29 02:30:00", "Europe/Rome", "does not exist in Europe/Rome, where the clocks went forward past it"),
        ("Sun Mar 29 02:00:00 2026", "Europe/Rome", "does not exist in Europe/Rome"),
        ("2026-03-08 02:59:59", "America/Chicago", "does not exist in America/Chicago"),
        ("2026-10-04 02:15:00", "Australia/Lord_Howe", "does not exist in Australia/Lord_Howe"),  # half an hour
        ("2026-10-25 02:30:00", "Europe/Rome", r"write which: 2026-10-25 02:30:00\+02:00 or 2026-10-25 02:30:00\+01:00"),
        ("2026-11-01 01:00:00", "America/Chicago", "write which: "),
    ],
)
def test_a_local_time_that_the_clock_skipped_or_showed_twice_is_refused(text: str, zone: str, reason: str) -> None:
    for read in (parse_moment, lambda text, zone: parse_cut(text, MOMENT, zone)):
        with pytest.raises(ValueError, match=reason):
            read(text, ZoneInfo(zone))


@pytest.mark.parametrize("text", ["2026-03-29 01:59:59", "2026-03-29 03:00:00", "2026-10-25 01:59:59", "2026-10-25 03:00:00"])
def test_local_times_beside_a_change_of_the_clock_are_taken(text: str) -> None:
    assert parse_moment(text, ROME).astimezone(ROME).replace(tzinfo=None) == datetime.fromisoformat(text)


def test_of_an_hour_shown_twice_the_second_cannot_be_meant_while_it_is_still_to_come() -> None:
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert parse_moment("2026-10-25 02:30:00", ROME, latest=first + timedelta(minutes=59)) == first
    with pytest.raises(ValueError, match="write which"):
        parse_moment("2026-10-25 02:30:00", ROME, latest=first + timedelta(hours=1))


def test_a_date_begins_with_its_first_moment_whatever_the_clocks_do() -> None:
    assert parse_cut("2026-03-29", MOMENT, ROME) == datetime(2026, 3, 28, 23, tzinfo=UTC)
    assert parse_cut("2018-11-04", MOMENT, ZoneInfo("America/Sao_Paulo")) == datetime(2018, 11, 4, 3, tzinfo=UTC)  # no midnight


def test_a_named_zone_tells_the_two_hours_apart() -> None:
    assert parse_moment("Sun Oct 25 02:30:00 CEST 2026", ROME) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert parse_moment("Sun Oct 25 02:30:00 CET 2026", ROME) == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)


@pytest.mark.parametrize("text", ["Sat Nov 21 13:22:48 EST 2026", "2026-11-21 13:22:48 CST", "Sat Nov 21 13:22:48 CEST 2026"])
def test_a_named_zone_that_may_be_any_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"neither UTC nor the time_zone of the file, Europe/Rome"):
        parse_moment(text, ROME)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2026-11-21",
        "20261121",
        "2026-11-21 25:00:00",
        "2026-02-30 10:00:00",
        "12",
        "1795267368000",
        "Sat Nob 21 13:22:48 2026",
        "Sat Nov 31 13:22:48 2026",
        "Sat Nov 21 13:22:48 PM 2026",
        "Sat Nov 21 00:22:48 AM 2026",
        "Sat Nov 21 13:22:48 13:22:49 2026",
        "Sat Nov 21 2026",
        "2026-11/21 13:22:48",
        "2026-11-21 13:22:48+01:00 CET",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
    ],
)
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match="is not understood, expected ISO 8601"):
        parse_moment(text, ROME)


@given(st.text())
def test_any_text_is_a_time_or_a_value_error(text: str) -> None:
    with suppress(ValueError):
        assert parse_moment(text, ROME).tzinfo is UTC


@given(st.integers(10**8, 10**10))
def test_ctime_and_unix_seconds_agree(seconds: int) -> None:
    assert parse_moment(time.asctime(time.gmtime(seconds))) == parse_moment(str(seconds))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30min", MOMENT - timedelta(minutes=30)),
        ("8h", MOMENT - timedelta(hours=8)),
        ("7 d", MOMENT - timedelta(days=7)),
        ("2026-11-21", datetime(2026, 11, 20, 23, tzinfo=UTC)),
        ("2026-11-21 14:22:48", MOMENT),
    ],
)
def test_cuts_may_be_ago_or_a_date(text: str, expected: datetime) -> None:
    assert parse_cut(text, MOMENT, ROME) == expected


def test_a_cut_before_the_calendar_is_refused() -> None:
    with pytest.raises(ValueError, match="before the first year"):
        parse_cut("999999d", MOMENT)
