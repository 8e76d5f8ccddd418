"""Ids of rows: the key attributes as one text that stands in a path as it is.

Parts are joined by ``~``. A character outside of ``A-Z a-z 0-9 _ . : -`` is written as ``=`` and the two hexadecimal digits of
each of its UTF-8 bytes, so that nothing in an id needs to be escaped in a URL: ``12~PADME:PVETO:HV13:CH01:CURRENT_RBV``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from web.attribute import Type
from web.query import Filter, Operator
from web.resource import Resource
from web.values import BadValue, read_value

_PLAIN = re.compile(r"[A-Za-z0-9_.:-]+", re.ASCII)
_ESCAPED = re.compile(r"=([0-9A-F]{2})", re.ASCII)
_OTHER = re.compile(r"[^A-Za-z0-9_.:-]", re.ASCII)


def row_id(resource: Resource, values: Mapping[str, Any]) -> str:
    """Id of a row that has the values of the key."""
    return "~".join(_written(str(values[name])) for name in resource.key)


def id_filters(resource: Resource, text: str) -> Sequence[Filter] | None:
    """Conditions that find the row with this id; ``None`` if no row can have it."""
    parts = text.split("~")
    if len(parts) != len(resource.key):
        return None
    filters: list[Filter] = []
    for name, part in zip(resource.key, parts, strict=True):
        attribute = resource.by_name[name]
        plain = _read(part)
        if plain is None or "\0" in plain:
            return None
        try:
            value = plain if attribute.type is Type.TEXT else read_value(attribute, Operator.EQ, plain)
        except BadValue:
            return None
        if value is None or str(value) != plain:
            return None
        filters.append(Filter(name, Operator.EQ, value))
    return filters


def _written(text: str) -> str:
    if _PLAIN.fullmatch(text):
        return text
    return _OTHER.sub(lambda match: "".join(f"={byte:02X}" for byte in match[0].encode()), text) or "="


def _read(text: str) -> str | None:
    if text == "=":
        return ""
    if not _PLAIN.fullmatch(_ESCAPED.sub("", text) or "x"):
        return None
    try:
        return re.sub(rb"=([0-9A-F]{2})", lambda match: bytes([int(match[1], 16)]), text.encode()).decode()
    except UnicodeDecodeError:
        return None
