"""Query parameters of the OMS dialect.

What it does not know it says in ``warnings`` and leaves out, as clients of CMS OMS expect; what it knows and cannot read is
an error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TypeVar

from web.asked import Asked
from web.parameters import (
    Parameter,
    UnknownAttribute,
    known_attribute,
    only_once,
    read_filter,
    read_group,
    read_page,
    read_sort_key,
    words,
)
from web.query import Group
from web.resource import Resource

META, PRESENTATION, DATA_ONLY, TURBO = "meta", "presentation_timestamp", "data_only", "turbo"
INCLUDES = (META, PRESENTATION, DATA_ONLY, TURBO)
"""Tokens of ``include``; ``turbo`` is taken and changes nothing."""

S = TypeVar("S")
T = TypeVar("T")


class OmsRequest:
    """Reads the parameters of one request to one resource."""

    def __init__(self, resource: Resource) -> None:
        self._resource = resource
        self._warnings: list[str] = []

    def read(self, parameters: list[Parameter]) -> Asked:
        """What they ask for.

        Raises:
            ApiError: 400, a value, an operator or a page makes no sense.
        """
        only_once(parameters, ("fields", "sort", "include", "page", "group"))
        asked = Asked()
        for parameter in parameters:
            asked = self._add(asked, parameter)
        return replace(asked, warnings=tuple(self._warnings))

    def _add(self, asked: Asked, parameter: Parameter) -> Asked:
        match parameter.family, parameter.keys:
            case "fields", ():
                names = self._known(words(parameter.value), lambda word: known_attribute(self._resource, word, parameter.name))
                return replace(asked, fields=tuple(dict.fromkeys(item.name for item in names)) or None)
            case "filter", _:
                found = self._known([parameter], lambda item: read_filter(self._resource, item))
                return replace(asked, filters=(*asked.filters, *found))
            case "sort", ():
                keys = self._known(words(parameter.value), lambda word: read_sort_key(self._resource, word, parameter.name))
                return replace(asked, sort=tuple(keys))
            case "page", _:
                which, number = read_page(parameter)
                return replace(asked, **{which: number})
            case "include", ():
                tokens = tuple(self._tokens(parameter))
                return replace(asked, include=tokens, bare=DATA_ONLY in tokens)
            case "group", _ if self._resource.groups:
                return replace(asked, group=read_group(parameter, asked.group or Group()))
            case _:
                self._warnings.append(f"parameter {parameter.name} is not known here and was left out")
                return asked

    def _known(self, items: Iterable[S], read: Callable[[S], T]) -> list[T]:
        found: list[T] = []
        for item in items:
            try:
                found.append(read(item))
            except UnknownAttribute as err:
                self._warnings.append(f"{err.parameter}: {err}; it was left out")
        return found

    def _tokens(self, parameter: Parameter) -> list[str]:
        found = list(words(parameter.value))
        self._warnings += [f"include: {token} is not known and was left out" for token in found if token not in INCLUDES]
        return [token for token in found if token in INCLUDES]
