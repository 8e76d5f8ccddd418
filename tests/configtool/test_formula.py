from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from configtool.formula import Formula, Term, constant, parse_formula
from sipmdcs.errors import BadInput

VALUES = {"VBR": Decimal("52.42"), "OVERVOLTAGE": Decimal("5.00"), "I_0": Decimal("0.068")}


@pytest.mark.parametrize(
    ("text", "value", "spelling"),
    [
        ("57.420", "57.42", "57.42"),
        ("-3", "-3", "-3"),
        ("- 0.0", "0", "0"),
        ("VBR + OVERVOLTAGE", "57.42", "VBR + OVERVOLTAGE"),
        ("VBR+OVERVOLTAGE-0.50", "56.92", "VBR + OVERVOLTAGE - 0.5"),
        ("20*I_0", "1.36", "20 * I_0"),
        ("-VBR + 1.0 * VBR", "0", "-VBR + VBR"),
    ],
)
def test_sums(text: str, value: str, spelling: str) -> None:
    formula = parse_formula(text)
    assert formula.evaluate(VALUES) == Decimal(value)
    assert str(formula) == spelling


@pytest.mark.parametrize(
    "text", ["", " ", "+", "VBR OVERVOLTAGE", "VBR * 2", "2 * 3", "vbr", "VBR + ", "1e3", "nan", "VBR / 2", "(VBR)", "1,5"]
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match=r"neither a number nor a sum|plain decimal"):
        parse_formula(text)


terms = st.builds(
    Term,
    st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-1000, max_value=1000).map(
        lambda d: d or Decimal(0)
    ),
    st.sampled_from(["", *VALUES]),
)


@given(st.lists(terms, min_size=1, max_size=5).map(lambda some: Formula(tuple(some))))
def test_text_reads_back_as_the_same_sum(formula: Formula) -> None:
    again = parse_formula(str(formula))
    assert again.evaluate(VALUES) == formula.evaluate(VALUES)
    assert str(again) == str(formula)


def test_numbers_that_are_equal_are_the_same_formula() -> None:
    assert constant(Decimal("5.00")) == parse_formula("5") == parse_formula("5.0")
    assert constant(Decimal("-0.0")) == parse_formula("0")
