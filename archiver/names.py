"""Which PVs there are: by glob or regular expression, as text or JSON."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fnmatch import translate

from archiver.errors import BadQuery

DEFAULT_LIMIT = 500


def matching(names: Iterable[str], parameters: Mapping[str, str], limit: int) -> list[str]:
    """Names that match the whole of ``regex``, or one of the comma separated globs in ``pv``; all without either.

    Args:
        names: sorted.
        parameters: of the request.
        limit: how many at most, -1 for all.

    Raises:
        BadQuery: ``regex`` is none.
    """
    if "regex" in parameters:
        try:
            patterns = [re.compile(parameters["regex"])]
        except re.error as err:
            raise BadQuery(f"regex: {parameters['regex']!r}: {err}") from err
    else:
        patterns = [re.compile(translate(glob.strip())) for glob in parameters.get("pv", "*").split(",")]
    found = [name for name in names if any(pattern.fullmatch(name) for pattern in patterns)]
    return found if limit < 0 else found[:limit]
