"""Query parameters that both dialects share: filters, order, pages and groups."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import parse_qsl

from web.attribute import Attribute
from web.errors import ApiError, bad_parameter
from web.query import MOST_ROWS, Filter, Group, Operator, SortKey
from web.resource import Resource
from web.values import BadValue, operators, read_value, shown

DEFAULT_LIMIT = 100
EXACT = "exact"
"""Value of ``page[total]``."""
MOST_BINS = 10_000
_MOST_PARAMETERS = 200
_OTHER_GRANULARITIES = ("run", "fill", "lumisection", "range")
"""Of CMS OMS."""
_LARGEST = 2**62
_NAME = re.compile(r"(?P<family>[^\[\]]+)(?P<keys>(\[[^\[\]]*\])*)")


class UnknownAttribute(ApiError):
    """An attribute that the resource does not have; one dialect warns of it, the other refuses."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One query parameter."""

    name: str
    """As the client wrote it, ``filter[run_number][GE]``."""
    family: str
    """``filter``; empty if the name makes no sense."""
    keys: tuple[str, ...]
    """``run_number``, ``GE``."""
    value: str


def read_parameters(query: bytes) -> list[Parameter]:
    """Parameters of a URL, in their order.

    Raises:
        ApiError: 400, there are more than anybody needs.
    """
    try:
        pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True, max_num_fields=_MOST_PARAMETERS, errors="replace")
    except ValueError as err:
        raise bad_parameter("", f"more than {_MOST_PARAMETERS} query parameters") from err
    return [_parameter(name, value) for name, value in pairs]


def _parameter(name: str, value: str) -> Parameter:
    match = _NAME.fullmatch(name)
    if match is None:
        return Parameter(name, "", (), value)
    return Parameter(name, match["family"], tuple(re.findall(r"\[([^\[\]]*)\]", match["keys"])), value)


def only_once(parameters: Iterable[Parameter], families: Sequence[str]) -> None:
    """See that no parameter of these families is there twice.

    Raises:
        ApiError: 400, one is.
    """
    seen: set[str] = set()
    for parameter in parameters:
        if parameter.family in families and parameter.name in seen:
            raise bad_parameter(parameter.name, "is given twice, expected once")
        seen.add(parameter.name)


def words(text: str) -> Iterator[str]:
    """Parts of a comma-separated list; empty ones are left out."""
    return (word for word in (part.strip() for part in text.split(",")) if word)


def known_attribute(resource: Resource, name: str, parameter: str) -> Attribute:
    """The attribute with this name.

    Raises:
        UnknownAttribute: there is none.
    """
    attribute = resource.by_name.get(name)
    if attribute is None:
        raise UnknownAttribute(HTTPStatus.BAD_REQUEST, f"{resource.name} has no attribute {shown(name)}", parameter=parameter)
    return attribute


def read_filter(resource: Resource, parameter: Parameter) -> Filter:
    """``filter[attr][OP]=value``, or ``filter[attr]=value`` for EQ.

    Raises:
        UnknownAttribute: as ``known_attribute``.
        ApiError: 400, the operator or the value makes no sense.
    """
    if not 1 <= len(parameter.keys) <= 2:
        raise bad_parameter(parameter.name, "expected filter[ATTRIBUTE][OPERATOR]")
    attribute = known_attribute(resource, parameter.keys[0], parameter.name)
    text = parameter.keys[1] if len(parameter.keys) > 1 else Operator.EQ.value
    offered = operators(attribute)
    if text not in offered:
        expected = f"expected {', '.join(offered)}" if offered else "it cannot be filtered by"
        raise bad_parameter(parameter.name, f"{shown(text)} does not go with {attribute.name} ({attribute.type}): {expected}")
    try:
        return Filter(attribute.name, Operator(text), read_value(attribute, Operator(text), parameter.value))
    except BadValue as err:
        raise bad_parameter(parameter.name, str(err)) from err


def read_sort_key(resource: Resource, word: str, parameter: str) -> SortKey:
    """``attr`` or ``-attr``.

    Raises:
        UnknownAttribute: as ``known_attribute``.
        ApiError: 400, it cannot be sorted by.
    """
    attribute = known_attribute(resource, word.removeprefix("-"), parameter)
    if not attribute.comparable:
        raise bad_parameter(parameter, f"{resource.name} cannot be sorted by {attribute.name}")
    return SortKey(attribute.name, word.startswith("-"))


def read_page(parameter: Parameter) -> tuple[str, int]:
    """``page[offset]``, ``page[limit]`` or ``page[total]``, with the name it has in ``Asked``.

    Raises:
        ApiError: 400, it is another one or out of range.
    """
    match parameter.keys:
        case ("total",):
            if parameter.value != EXACT:
                raise bad_parameter(parameter.name, f"{shown(parameter.value)} is not {EXACT!r}, the only choice")
            return "exact_total", True
        case ("offset",):
            return "offset", whole_number(parameter, 0, _LARGEST)
        case ("limit",):
            return "limit", whole_number(parameter, 1, MOST_ROWS)
        case _:
            raise bad_parameter(parameter.name, "expected page[offset], page[limit] or page[total]")


def whole_number(parameter: Parameter, least: int, most: int) -> int:
    """A number in a range.

    Raises:
        ApiError: 400, it is none.
    """
    text = parameter.value
    number = int(text) if re.fullmatch(r"[0-9]{1,19}", text, re.ASCII) else -1
    if not least <= number <= most:
        raise bad_parameter(parameter.name, f"{shown(text)} is no whole number from {least} to {most}")
    return number


def read_group(parameter: Parameter, group: Group) -> Group:
    """``…[granularity]`` in seconds or ``auto``, ``…[size]`` in seconds, ``…[count]`` bins at most.

    Raises:
        ApiError: 400, it is another one or out of range, or the width was given already.
    """
    family = parameter.family
    if group.width_s is not None and parameter.keys != ("count",):
        raise bad_parameter(
            parameter.name, f"the width of bins is given twice, expected one of {family}[granularity] and [size]"
        )
    match parameter.keys:
        case ("granularity",) if parameter.value == "auto":
            return group
        case ("granularity",) if parameter.value in _OTHER_GRANULARITIES:
            raise bad_parameter(
                parameter.name, f"bins are seconds wide, not by {parameter.value}; slowcontrol has aggregates by run"
            )
        case ("granularity" | "size",):
            return Group(whole_number(parameter, 1, 10**9), group.count)
        case ("count",):
            return Group(group.width_s, whole_number(parameter, 1, MOST_BINS))
        case _:
            expected = f"{family}[granularity] in seconds or auto, {family}[size] in seconds, or {family}[count]"
            raise bad_parameter(parameter.name, f"expected {expected}")
