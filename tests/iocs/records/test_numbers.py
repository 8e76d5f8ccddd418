"""Text to number and back; the values were read from EPICS Base 7.0.10."""

from __future__ import annotations

from math import inf, isnan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iocs.records.fields import INTEGER_RANGE, Kind
from iocs.records.numbers import fit_int, format_float, parse_float, parse_int


@pytest.mark.parametrize(
    ("value", "precision", "text"),
    [
        (0.125, 0, "0"),
        (0.125, 2, "0.13"),
        (2.5, 0, "3"),
        (1.005, 2, "1.00"),
        (-0.5, 0, "-1"),
        (-0.04, 1, "-0.0"),
        (9.995, 2, "9.99"),
        (0.9999999, 5, "1.00000"),
        (123456.789, 8, "123456.78900000"),
        (1e7, 5, "10000000.00000"),
        (10000000.1, 8, "10000000.100"),
        (1e16, 1, "10000000000000000.0"),
        (1e17, 2, " 1.00e+17"),
        (1.005, 17, " 1.00499999999999989e+00"),
        (-0.375, 9, "-3.750000000e-01"),
        (0.125, -1, " 1.25000000000000000e-01"),
    ],
)
def test_formatting_as_epics_base(value: float, precision: int, text: str) -> None:
    assert format_float(value, precision) == text


def test_a_single_float_has_fewer_digits() -> None:
    assert format_float(2.5, 20, single=True) == "2.500000000000e+00"


@given(value=st.floats(-1e7, 1e7, allow_nan=False), precision=st.integers(0, 8))
def test_what_is_shown_is_right_to_its_last_digit(value: float, precision: int) -> None:
    assert abs(float(format_float(value, precision)) - value) <= 0.5000001 * 10.0**-precision + abs(value) * 1e-12


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("12", 12.0),
        ("2.5e1 V", 25.0),
        ("", 0.0),
        (" .5", 0.5),
        ("-3.", -3.0),
        ("0x10", 16.0),
        ("010", 10.0),
        ("inf", inf),
        ("-INFINITYx", -inf),
        ("0x1.8p1", 3.0),
        ("-0x.8p1 V", -1.0),
        ("0xg", 0.0),
        ("1_0", 1.0),
        ("1e+", 1.0),
        ("0e-400", 0.0),
        ("0x0p-9999", 0.0),
    ],
)
def test_a_real_number_with_unit(text: str, number: float) -> None:
    assert parse_float(text, units=True) == number


def test_nan_is_a_number() -> None:
    assert isnan(parse_float("nan"))
    assert isnan(parse_float("-NaN(x_1)"))


@pytest.mark.parametrize("text", ["1e400", "-1e400", "1e-400", "-1e-320", "0x1p4000", "0x1p-4000", "9" * 310])
@pytest.mark.parametrize("single", [True, False])
def test_a_number_beyond_64_bits_is_refused(text: str, single: bool) -> None:
    with pytest.raises(ValueError, match=r"is too (large|small) a number"):
        parse_float(text, units=True, single=single)


@pytest.mark.parametrize("text", ["1e39", "3.4028235e38", "-3.5e38", "1e-40", "1e-46", "0x1p200"])
def test_a_number_beyond_32_bits_is_refused_where_they_are_meant(text: str) -> None:
    with pytest.raises(ValueError, match=r"is too (large|small) a number"):
        parse_float(text, single=True)
    assert parse_float(text)


@pytest.mark.parametrize(
    ("text", "number"),
    [("12", 12), ("2.5", 2), ("1e3", 1), ("", 0), (" 7", 7), ("0x10", 16), ("010", 8), ("-4 V", -4), ("+5", 5)],
)
def test_a_whole_number_with_unit(text: str, number: int) -> None:
    assert parse_int(text, Kind.LONG, units=True) == number


@pytest.mark.parametrize(("text", "number"), [("1e5", 100_000), ("1.e1 x", 10), (".9", 0), ("0x1.8p1", 3), ("0x10", 16)])
def test_an_unsigned_long_may_be_written_as_a_real_number(text: str, number: int) -> None:
    assert parse_int(text, Kind.ULONG, units=True) == number
    with pytest.raises(ValueError, match=r"is not within|too large"):
        parse_int("1e400" if number else "nan", Kind.ULONG, units=True)


@pytest.mark.parametrize("text", ["abc", "V 12", "--1", "x10", "e5", "\uff11\uff12", "\u0663", "\xa05", "\x1c5"])
@pytest.mark.parametrize("units", [True, False])
def test_no_number(text: str, units: bool) -> None:
    with pytest.raises(ValueError, match="is not a number"):
        parse_float(text, units=units)
    with pytest.raises(ValueError, match="is not a number"):
        parse_int(text, Kind.LONG, units=units)


@pytest.mark.parametrize("text", ["12 V", "1,5", "3x"])
def test_a_file_gives_the_bare_number(text: str) -> None:
    with pytest.raises(ValueError, match="is not just a number"):
        parse_float(text)
    with pytest.raises(ValueError, match="is not just a number"):
        parse_int(text, Kind.LONG)


@given(value=st.floats(), kind=st.sampled_from(sorted(INTEGER_RANGE, key=lambda kind: kind.value)))
def test_a_number_that_does_not_fit_is_refused(value: float, kind: Kind) -> None:
    low, high = INTEGER_RANGE[kind]
    if isnan(value) or not low - 1 < value < high + 1:
        with pytest.raises(ValueError, match="is not within"):
            fit_int(value, kind)
    else:
        assert low <= fit_int(value, kind) <= high
