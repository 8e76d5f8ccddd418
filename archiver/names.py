"""Which PVs there are: by glob or regular expression, as text or JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice

from archiver.errors import BadQuery
from sipmdcs.patterns import BadPattern, glob, regular_expression

DEFAULT_LIMIT = 500
MAX_PATTERNS = 100
"""Patterns in one request: each is tried on every name."""


def matching(names: Iterable[str], parameters: Mapping[str, str], limit: int) -> list[str]:
    """Names that match the whole of ``regex``, or one of the comma separated globs in ``pv``; all without either.

    No more of ``names`` are looked at than it takes.

    Args:
        names: sorted.
        parameters: of the request.
        limit: how many at most, -1 for all.

    Raises:
        BadQuery: one cannot be used, or there are too many.
    """
    key = "regex" if "regex" in parameters else "pv"
    try:
        if key == "regex":
            patterns = [regular_expression(parameters[key])]
        else:
            patterns = [glob(text.strip()) for text in dict.fromkeys(parameters.get(key, "*").split(","))]
    except BadPattern as err:
        raise BadQuery(f"{key}: {err}") from err
    if len(patterns) > MAX_PATTERNS:
        raise BadQuery(f"{len(patterns):,} patterns in one request, the limit is {MAX_PATTERNS}")
    found = (name for name in names if any(pattern.matches(name) for pattern in patterns))
    return list(found if limit < 0 else islice(found, limit))
