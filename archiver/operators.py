"""Operators: what a query does with samples before it answers, as in ``optimized_2000(PV)`` or ``mean_60(PV)``.

===========================================  ======================================================================
``mean min max count std variance``          a number per bin; empty bins repeat the one before, ``count`` has 0
``popvariance median jitter``                there; ``meanSample`` and so on leave them out
``stats``                                    ``[mean, std, min, max, n]`` per bin
``optimized``                                as ``stats`` with so many bins, but the samples themselves if they are fewer
``firstSample lastSample``                   first or last sample of each bin
``firstFill lastFill``                       the same at the bin's centre; empty bins repeat the one before
``nth``                                      every so many samples
``ncount``                                   how many samples there are
===========================================  ======================================================================

The parameter is the width of a bin in seconds (900 if left out), for ``optimized`` the number of points (1000), for
``nth`` the stride (900). Operators are pure functions; an unknown one is an error, where the Archiver Appliance gives
raw samples.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from archiver.bins import Interval
from archiver.errors import BadQuery
from archiver.picks import ncount, nth, pick, raw
from archiver.result import Marked, Operator, Result
from archiver.summaries import STATISTICS, optimized, summary_operator

DEFAULT_PARAMETER = 900

OPERATORS: Mapping[str, tuple[Operator, int]] = {
    **{name: (summary_operator(name, filled=True), DEFAULT_PARAMETER) for name in STATISTICS},
    **{name + "Sample": (summary_operator(name, filled=False), DEFAULT_PARAMETER) for name in STATISTICS},
    "optimized": (optimized, 1000),
    "firstSample": (pick(last=False, filled=False), DEFAULT_PARAMETER),
    "lastSample": (pick(last=True, filled=False), DEFAULT_PARAMETER),
    "firstFill": (pick(last=False, filled=True), DEFAULT_PARAMETER),
    "lastFill": (pick(last=True, filled=True), DEFAULT_PARAMETER),
    "nth": (nth, DEFAULT_PARAMETER),
    "ncount": (ncount, 0),
    "raw": (raw, 0),
}
"""Operators by name, with the parameter that holds where none is given."""


@dataclass(frozen=True, slots=True)
class Processing:
    """An operator and its parameter."""

    name: str = "raw"
    parameter: int = 0

    def apply(self, marked: Marked, interval: Interval) -> Result:
        """Run it.

        Raises:
            BadQuery: the parameter makes no sense or too much of an answer, or the samples are no numbers.
        """
        return OPERATORS[self.name][0](marked, interval, self.parameter)


MAX_PARAMETER = 1_000_000_000
"""Of an operator: as a width 31 years, in nanoseconds still a number of 64 bits."""
_WORD = re.compile(r"(?P<name>[A-Za-z]+)(?P<parameters>(_[^_]*)*)")


def parse_operator(text: str) -> Processing:
    """``mean``, ``mean_60``: an operator as it stands in ``pp=`` or before a parenthesis.

    Raises:
        BadQuery: there is no such operator, or its parameter is not a whole number.
    """
    match = _WORD.fullmatch(text)
    if match is None or match["name"] not in OPERATORS:
        raise BadQuery(f"{text!r} is no operator, expected one of {', '.join(sorted(OPERATORS))}")
    parameters = match["parameters"].split("_")[1:]
    if not parameters:
        return Processing(match["name"], OPERATORS[match["name"]][1])
    if len(parameters) > 1 or not parameters[0].isdecimal():
        raise BadQuery(f"{text!r}: expected one whole number after {match['name']}")
    if len(parameters[0]) > len(str(MAX_PARAMETER)) or int(parameters[0]) > MAX_PARAMETER:
        raise BadQuery(f"{match['name']}_…: the largest number is {MAX_PARAMETER:,}")
    return Processing(match["name"], int(parameters[0]))


def parse_pv(text: str) -> tuple[str, Processing]:
    """``PV``, ``op(PV)``, ``op_N(PV)`` or ``op(PV,N)``: a PV and what to do with it.

    Raises:
        BadQuery: the parentheses do not match, or as ``parse_operator``.
    """
    text = text.strip()
    before, opened, rest = text.partition("(")
    if not opened:
        if ")" in text:
            raise BadQuery(f"{text!r}: a closing parenthesis without an opening one")
        return plain_name(text), Processing()
    inside, closed, after = rest.partition(")")
    if not closed or after or "(" in inside:
        raise BadQuery(f"{text!r}: expected operator(PV)")
    name, *parameters = (part.strip() for part in inside.split(","))
    return plain_name(name), parse_operator("_".join([before.strip(), *parameters]))


def plain_name(text: str) -> str:
    """A PV name without protocol and without ``.VAL``.

    Raises:
        BadQuery: nothing is left.
    """
    name = text.strip().removeprefix("ca://").removeprefix("pva://").removesuffix(".VAL")
    if not name:
        raise BadQuery("no PV is named")
    return name
