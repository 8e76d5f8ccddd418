r"""Patterns of ``LIKE``, read once and written for each place that matches them.

``%`` stands for any text, ``_`` for one character; a backslash makes the next character mean itself, so ``100\%`` is
``100%``. A pattern matches the whole text; upper and lower case differ, on every database.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from sipmdcs import patterns

MAX_PATTERN = 500
"""Characters of a pattern."""


class BadPattern(ValueError):
    """A pattern that ends in the middle."""


@dataclass(frozen=True)
class Pattern:
    """Literal text between wildcards."""

    parts: tuple[str, ...]
    """Pieces in their order; ``%`` and ``_`` are the wildcards, a literal piece starts with ``=``."""

    @cached_property
    def sql(self) -> str:
        """For SQL ``LIKE`` with a backslash as escape."""
        return "".join(part if part in "%_" else re.sub(r"([\\%_])", r"\\\1", part[1:]) for part in self.parts)

    @cached_property
    def glob(self) -> str:
        """For ``GLOB`` of SQLite, which unlike its ``LIKE`` tells upper from lower case."""
        wild = {"%": "*", "_": "?"}
        return "".join(wild[part] if part in wild else re.sub(r"([*?\[])", r"[\1]", part[1:]) for part in self.parts)

    @cached_property
    def _compiled(self) -> patterns.Pattern:
        wild = {"%": ".*", "_": "."}
        pieces = [wild[part] if part in wild else patterns.any_text(part[1:]) for part in self.parts]
        return patterns.wildcards(pieces, "")

    def matches(self, text: str) -> bool:
        """Whether all of ``text`` is as the pattern says."""
        return self._compiled.matches(text)


def read_pattern(text: str) -> Pattern:
    r"""Understand a pattern; several ``%`` in a row are one.

    Raises:
        BadPattern: nothing follows a backslash, or it is too long.
    """
    if len(text) > MAX_PATTERN:
        raise BadPattern(f"has {len(text):,} characters, the limit is {MAX_PATTERN}")
    parts: list[str] = []
    characters = iter(text)
    for character in characters:
        if character == "\\":
            following = next(characters, None)
            if following is None:
                raise BadPattern("ends in a backslash; write two for a backslash")
            parts.append(f"={following}")
        elif character == "%":
            if not parts or parts[-1] != "%":
                parts.append("%")
        elif character == "_":
            parts.append("_")
        else:
            parts.append(f"={character}")
    return Pattern(tuple(parts))
