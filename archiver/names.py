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
    key, read = ("regex", regular_expression) if "regex" in parameters else ("pv", glob)
    text = parameters.get(key, "*")
    texts = [text] if key == "regex" else dict.fromkeys(part.strip() for part in text.split(","))
    if len(texts) > MAX_PATTERNS:
        raise BadQuery(f"{len(texts):,} patterns in one request, the limit is {MAX_PATTERNS}")
    try:
        patterns = [read(part) for part in texts]
    except BadPattern as err:
        raise BadQuery(f"{key}: {err}") from err
    if key == "regex" or "*" not in texts:
        names = (name for name in names if any(pattern.matches(name) for pattern in patterns))
    return list(names if limit < 0 else islice(names, limit))
