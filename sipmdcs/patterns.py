"""Patterns that come from outside: regular expressions and globs, matched in a time linear in the text.

Python's ``re`` tries every way in which a pattern may match, which can take practically for good, with the interpreter
locked. RE2 does not; what it lacks for that (look-around, back-references) is refused.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import re2

from sipmdcs.errors import BadInput

MAX_PATTERN = 1_000
"""Characters of a pattern."""
_MAX_MEMORY = 1 << 20
"""Bytes of a compiled pattern, its automaton included."""
_NOTHING = r"[^\x00-\x{10FFFF}]"


class BadPattern(BadInput):
    """A pattern that cannot be used."""


class Finder:
    """Finds a regular expression anywhere in texts, and says what its named groups hold.

    Args:
        text: a regular expression as in Python, without look-around and back-references.

    Raises:
        BadPattern: it is too long, too large, or none.
    """

    def __init__(self, text: str) -> None:
        self._compiled = _compiled(text, text, captures=True)
        self.groups = frozenset(self._compiled.groupindex)
        """Names of its groups."""

    def find(self, text: str) -> dict[str, str] | None:
        """What the named groups that took part hold; ``None`` if the expression is not in ``text``."""
        match = self._compiled.search(_bytes(text).decode())
        return None if match is None else {name: held for name, held in match.groupdict().items() if held is not None}


class Pattern:
    """Matches whole texts."""

    def __init__(self, regex: str, shown: str) -> None:
        """Compile.

        Args:
            regex: in RE2's syntax.
            shown: the pattern as it was given.

        Raises:
            BadPattern: it is too long, too large, or none.
        """
        self._compiled = _compiled(regex, shown)

    def matches(self, text: str) -> bool:
        """Whether all of ``text`` is as the pattern says."""
        # Of a text RE2's wrapper finds where its characters begin, which nobody asks here and takes three times as long.
        return self._compiled.fullmatch(_bytes(text)) is not None


def _bytes(text: str) -> bytes:
    """For RE2. Bytes of a command line that are no text stand in it as half surrogate pairs: each becomes a question mark."""
    return text.encode("utf-8", "replace")


def _compiled(regex: str, shown: str, *, captures: bool = False) -> Any:
    if len(shown) > MAX_PATTERN:
        raise BadPattern(f"the pattern has {len(shown):,} characters, the limit is {MAX_PATTERN:,}")
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MAX_MEMORY
    options.never_capture = not captures
    try:
        return re2.compile(regex, options)
    except (re2.error, UnicodeError) as err:
        raise BadPattern(f"{shown[:200]!r} cannot be used as a pattern: {_reason(err)}") from err


def regular_expression(text: str) -> Pattern:
    """A regular expression as in Python and Java, without look-around and back-references.

    Raises:
        BadPattern: it is too long, too large, or none.
    """
    return Pattern(text, text)


def glob(text: str) -> Pattern:
    """A pattern as of file names: ``*`` any text, ``?`` one character, ``[abc]``, ``[!abc]``, ``[a-z]``; case counts.

    Raises:
        BadPattern: it is too long, or no text.
    """
    parts: list[str] = []
    at = 0
    while at < len(text):
        char, at = text[at], at + 1
        if char == "*":
            if parts[-1:] != [".*"]:
                parts.append(".*")
        elif char == "?":
            parts.append(".")
        elif char == "[" and (end := _end_of_set(text, at)) > 0:
            parts.append(_set(text[at:end]))
            at = end + 1
        else:
            parts.append(any_text(char))
    return wildcards(parts, text)


def fits(name: str, pattern: str) -> bool:
    """Whether ``pattern``, as of file names, matches all of ``name``.

    Raises:
        BadPattern: it is too long, or no text.
    """
    return _glob(pattern).matches(name)


def wildcards(parts: list[str], shown: str) -> Pattern:
    """Of pieces in RE2's syntax, in which a dot is any character, line ends too.

    Raises:
        BadPattern: it is too long, or no text.
    """
    return Pattern("(?s)" + "".join(parts), shown)


def any_text(text: str) -> str:
    """The piece of a pattern that means ``text`` itself.

    Raises:
        BadPattern: it has half of a surrogate pair, which no text has.
    """
    try:
        return re2.escape(text)
    except UnicodeError as err:
        raise BadPattern(f"{text[:200]!r} cannot be used as a pattern: it is no text") from err


_glob = lru_cache(256)(glob)


def _end_of_set(text: str, at: int) -> int:
    """Where the ``]`` is that closes the set starting before ``at``; -1 if there is none, and the bracket means itself."""
    first = at + 1 if text[at : at + 1] == "!" else at
    return text.find("]", first + 1)


def _set(inner: str) -> str:
    negated = inner.startswith("!")
    chars = inner[1:] if negated else inner
    parts: list[str] = []
    at = 0
    while at < len(chars):
        first, last = chars[at], chars[at]
        if chars[at + 1 : at + 2] == "-" and at + 2 < len(chars):
            last = chars[at + 2]
            at += 2
        at += 1
        if first <= last:
            parts.append(f"{any_text(first)}-{any_text(last)}")
    if not parts:
        return "." if negated else _NOTHING
    return f"[{'^' if negated else ''}{''.join(parts)}]"


def _reason(err: Exception) -> str:
    text = err.args[0] if err.args else ""
    return text.decode(errors="replace") if isinstance(text, bytes) else str(text)
