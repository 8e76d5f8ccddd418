import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.moment import LATEST_NS, format_iso, parse_iso, parse_moment
from sipmdcs.clock import NS

BASE = 1_767_225_600 * NS


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-01T00:00:00Z", BASE),
        ("2026-01-01T00:00:00.000Z", BASE),
        ("2026-01-01T00:00:00.123456789Z", BASE + 123_456_789),
        ("2026-01-01T00:00:00.1234567899999Z", BASE + 123_456_789),
        ("2026-01-01T01:00:00+01:00", BASE),
        ("2026-01-01T01:00:00 01:00", BASE),
        ("2025-12-31T20:30:00-0330", BASE),
        ("1970-01-01T00:00:00Z", 0),
        ("2999-01-01T00:00:00Z", LATEST_NS),
        ("0002-01-01T00:00:00Z", -LATEST_NS),
    ],
)
def test_iso(text, expected):
    assert parse_iso(text) == expected


@pytest.mark.parametrize(
    "text", ["", "now", "2026-01-01", "2026-01-01T00:00:00", "2026-02-30T00:00:00Z", "0001-01-01T00:00:00+10:00"]
)
def test_no_iso(text):
    with pytest.raises(ValueError, match="is no time"):
        parse_iso(text)


@given(st.integers(0, 4_102_444_800 * NS))
def test_what_is_written_is_read_again(time_ns):
    assert parse_iso(format_iso(time_ns)) == time_ns


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("now", 0), ("-90s", -90), ("-5m", -300), ("-1.5h", -5400), ("-2d", -172_800), ("-1w", -604_800), ("-250ms", -0.25)],
)
def test_relative(text, seconds):
    assert parse_moment(text, BASE) == BASE + round(seconds * NS)
    assert parse_moment(f"-{'9' * 400}w", BASE) == parse_iso("0001-01-01T00:00:00Z"), "as early as can be"


@pytest.mark.parametrize("text", ["2026-01-01", "2026-01-01T00:00", "2026-01-01 00:00:00", "2026-01-01T01:00:00+01:00"])
def test_absolute_without_zone_is_utc(text):
    assert parse_moment(text, 5) == BASE


@pytest.mark.parametrize("text", ["1h", "-1y", "yesterday", "2026-13-01"])
def test_no_moment(text):
    with pytest.raises(ValueError, match="is no time"):
        parse_moment(text, 0)
