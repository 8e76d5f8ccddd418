"""What a setting says: a number, or a sum of other settings such as ``VBR + OVERVOLTAGE`` or ``5 * CURRENT_NOMINAL``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from configtool.quantity import parse_number, spell
from sipmdcs.errors import BadInput

_TERM = re.compile(
    r"\s*(?P<sign>[+-])?\s*(?:(?P<factor>\d+(?:\.\d+)?)(?:\s*\*\s*(?P<scaled>[A-Z][A-Z0-9_]*))?|(?P<name>[A-Z][A-Z0-9_]*))\s*",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Term:
    """``factor`` times the setting ``name``; the factor alone where there is no name."""

    factor: Decimal
    name: str = ""


@dataclass(frozen=True, slots=True)
class Formula:
    """A sum of terms. A plain number is a formula of one term without a name."""

    terms: tuple[Term, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Settings the value depends on, in the order written."""
        return tuple(term.name for term in self.terms if term.name)

    def evaluate(self, values: Mapping[str, Decimal]) -> Decimal:
        """The sum, exactly; every name must be in ``values``."""
        return sum((term.factor * (values[term.name] if term.name else 1) for term in self.terms), Decimal(0))

    def __str__(self) -> str:
        out = ""
        for index, term in enumerate(self.terms):
            size = spell(abs(term.factor))
            negative = term.factor < 0
            sign = ("- " if negative else "+ ") if index else ("-" if negative else "")
            out += f"{' ' if index else ''}{sign}{_spell_term(size, term.name)}"
        return out


def _spell_term(size: str, name: str) -> str:
    if not name:
        return size
    return name if size == "1" else f"{size} * {name}"


def constant(value: Decimal) -> Formula:
    """The formula of a plain number."""
    return Formula((Term(value or Decimal(0)),))


def parse_formula(text: str) -> Formula:
    """Read ``NAME``, ``NUMBER`` and ``NUMBER * NAME``, joined by ``+`` and ``-``.

    Raises:
        BadInput: anything else.
    """
    terms: list[Term] = []
    position = 0
    while position < len(text) or not terms:
        match = _TERM.match(text, position)
        if match is None or (terms and not match["sign"]):
            raise BadInput(f"{text!r} is neither a number nor a sum such as VBR + OVERVOLTAGE or 5 * CURRENT_NOMINAL")
        try:
            factor = parse_number(match["factor"] or "1")
        except ValueError as err:
            raise BadInput(str(err)) from err
        terms.append(Term(-factor if match["sign"] == "-" and factor else factor, match["scaled"] or match["name"] or ""))
        position = match.end()
    return Formula(tuple(terms))
