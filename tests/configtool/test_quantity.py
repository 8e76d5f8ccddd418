from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from configtool.quantity import display, parse_number, spell


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("57.42", "57.42"),
        ("5.00", "5"),
        ("5", "5"),
        ("-0", "0"),
        ("-0.0", "0"),
        ("+3.10", "3.1"),
        ("100", "100"),
        ("0.068", "0.068"),
    ],
)
def test_one_spelling_per_value(text: str, expected: str) -> None:
    assert spell(parse_number(text)) == expected


@pytest.mark.parametrize(
    "text",
    ["", " 5", "5 ", "5,1", "5.", ".5", "1e3", "nan", "inf", "-inf", "1_000", "\u0665", "0x10", "1" * 13, "--1", "\uff15"],
)
def test_anything_but_plain_decimals_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a plain decimal number"):
        parse_number(text)


@pytest.mark.parametrize("value", ["NaN", "sNaN", "Infinity", "-Infinity"])
def test_only_finite_numbers_have_a_spelling(value: str) -> None:
    with pytest.raises(ValueError, match="finite"):
        spell(Decimal(value))


@given(st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**6), max_value=10**6))
def test_a_spelling_reads_back_as_the_same_value_with_the_same_spelling(value: Decimal) -> None:
    assert parse_number(spell(value)) == value
    assert spell(parse_number(spell(value))) == spell(value)


def test_sums_are_exact() -> None:
    assert parse_number("52.42") + parse_number("5.00") == Decimal("57.42")


@pytest.mark.parametrize(("value", "expected"), [("5", "5.00"), ("0.068", "0.068"), ("52.4", "52.40"), ("-0", "0.00")])
def test_people_see_two_decimals_at_least(value: str, expected: str) -> None:
    assert display(Decimal(value)) == expected
