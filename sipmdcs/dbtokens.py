"""Tokens of an EPICS database file with a cursor; every complaint carries file and line.

Tokens are looked for when they are asked for, so a file of any size costs its text and no more.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from sipmdcs.errors import BadInput

_SPACE = r"(?>\s*(?:\#[^\n]*\s*)*)"
"""Taken as a whole or not at all: a line of n ``#`` could be cut into comments in 2**n ways."""
_TOKEN = re.compile(
    _SPACE
    + r"""(?:(?P<quoted>"(?:[^"\\\n]|\\.)*")
      | (?P<punct>[(){},=])
      | (?P<word>(?:\$\([^()]*(?:\([^()]*\)[^()]*)*\)|\$\{[^{}]*\}|[A-Za-z0-9_\-+:./\\\[\]<>;*@&%!~])+)
      | (?P<end>\Z)
      | (?P<other>.))
    """,
    re.VERBOSE,
)
_PLAIN_ITEM = re.compile(
    _SPACE + r'(field|info)\s*\(\s*("?)([A-Za-z0-9_]+)\2\s*,\s*(?:"([^"\\\n]*)"|([A-Za-z0-9_\-+:./<>;*@&%!~]+))\s*\)'
)
_PLAIN_ROW = re.compile(_SPACE + r'\{\s*((?:"[^"\\\n]*"\s*(?:,\s*)?)*)\}')
"""What nearly all of a file consists of; just a faster way over the same tokens."""
_LONE_ALIAS = re.compile(r'(?m)(?:^|[})])[^\S\n]*alias\b(?!\s*\(\s*(?:"[^"\\\n]*"|[^\s"(),#]+)\s*\))')
"""Where an alias that stands apart from its record may be; one inside a record has one name, and a text no line of its own."""
_PLAIN_VALUE = re.compile(r'"([^"]*)"')
_ESCAPE = re.compile(r"\\(.)")
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"', "'": "'"}
"""Escapes that mean the same to everybody; EPICS Base knows more, which nobody needs."""


class _Token(NamedTuple):
    kind: str
    text: str
    start: int


class Item(NamedTuple):
    """One statement of a record body, unexpanded: ``field``, ``info`` or ``alias``."""

    kind: str
    name: str
    value: str
    line: int


class Reader:
    """Tokens of one file with a cursor; every complaint carries file and line."""

    def __init__(self, text: str, file: str) -> None:
        self.file = file
        self._text = text
        self._position = 0
        """End of the token that was read last."""
        self._token: _Token | None = None
        """The token that is next, once it has been looked at."""
        self._counted = (0, 1)
        """A position in the text and its line."""

    def _next(self) -> _Token:
        token = self._token
        if token is None:
            match = _TOKEN.match(self._text, self._position)
            assert match is not None, "the pattern fits everything"  # noqa: S101
            kind = match.lastgroup or ""
            token = self._token = _Token(kind, match[kind], match.start(kind))
            if token.text == '"':
                raise BadInput(
                    "string is not closed before the end of the line", file=self.file, line=self._line_of(token.start)
                )
        return token

    def _step(self) -> None:
        token = self._next()
        self._position = token.start + len(token.text)
        self._token = None

    def _line_of(self, position: int) -> int:
        counted, line = self._counted
        if position < counted:
            counted, line = 0, 1
        line += self._text.count("\n", counted, position)
        self._counted = (position, line)
        return line

    def may_hold_lone_aliases(self) -> bool:
        """Whether there may be aliases apart from their records; if not, there are none."""
        return _LONE_ALIAS.search(self._text) is not None

    @property
    def line(self) -> int:
        """Line of the token that is next."""
        return self._line_of(self._next().start)

    def error(self, expected: str) -> BadInput:
        """The complaint that something else than ``expected`` is next."""
        token = self._next()
        found = "end of file" if token.kind == "end" else token.text if token.text.isprintable() else repr(token.text)
        return BadInput(f"expected {expected}, found {found}", file=self.file, line=self.line)

    def at(self, *texts: str) -> bool:
        """Whether one of these words or marks is next."""
        token = self._next()
        return token.kind in ("punct", "word") and token.text in texts

    def at_end(self) -> bool:
        """Whether the file is read."""
        return self._next().kind == "end"

    def take(self, *texts: str) -> str:
        """Step over one of these words or marks.

        Raises:
            BadInput: something else is next.
        """
        if not self.at(*texts):
            raise self.error(" or ".join(text if text.isalpha() else f"'{text}'" for text in texts))
        text = self._next().text
        self._step()
        return text

    def skip(self, text: str) -> bool:
        """Step over ``text`` if it is next."""
        if self.at(text):
            self._step()
            return True
        return False

    def plain_items(self) -> list[Item]:
        """Step over as many of ``field(NAME, "text")`` and ``info(name, word)``, without escapes and macros, as come next."""
        items: list[Item] = []
        text, position = self._text, self._position
        counted, line = self._counted
        while match := _PLAIN_ITEM.match(text, position):
            start, position = match.start(1), match.end()
            line += text.count("\n", counted, start)
            counted = start
            kind, _, name, quoted, word = match.groups()
            items.append(Item(kind, name, word or quoted, line))
        if items:
            self._position, self._token, self._counted = position, None, (counted, line)
        return items

    def plain_row(self) -> list[str] | None:
        """Step over ``{"text", …}`` without escapes and comments, if that comes next; its texts."""
        match = _PLAIN_ROW.match(self._text, self._position)
        if match is None:
            return None
        self._position, self._token = match.end(), None
        return _PLAIN_VALUE.findall(match[1])

    def value(self, what: str) -> str:
        """A word, or a quoted string with its escapes resolved."""
        token = self._next()
        if token.kind not in ("word", "quoted"):
            raise self.error(what)
        self._step()
        if token.kind == "word":
            return token.text
        return _ESCAPE.sub(lambda match: self._unescape(match[1], token), token.text[1:-1])

    def _unescape(self, char: str, token: _Token) -> str:
        if char not in _ESCAPED:
            raise BadInput(f"unknown escape \\{char} in a string", file=self.file, line=self._line_of(token.start))
        return _ESCAPED[char]

    def json_text(self) -> str:
        """A JSON object or array, as written; its brackets are matched outside strings."""
        start = self._next().start
        depth = 0
        while True:
            token = self._next()
            if token.kind == "end":
                raise self.error("the end of a JSON value")
            self._step()
            if token.kind != "quoted":
                depth += sum(token.text.count(c) for c in "{[") - sum(token.text.count(c) for c in "}]")
            if depth <= 0:
                return self._text[start : self._position]

    def at_json(self) -> bool:
        """Whether a JSON object or array is next."""
        token = self._next()
        return token.text[:1] in ("{", "[") and token.kind != "quoted"


def open_reader(path: Path) -> Reader:
    """A cursor at the start of a file.

    Raises:
        BadInput: the file cannot be read, or is no text in UTF-8.
    """
    try:
        text = path.read_text("utf-8")
    except UnicodeDecodeError as err:
        line = err.object[: err.start].count(b"\n") + 1
        raise BadInput(f"byte 0x{err.object[err.start]:02x} is not UTF-8", file=path, line=line) from err
    except OSError as err:
        raise BadInput(f"cannot be read: {err.strerror}", file=path) from err
    if "\0" in text:
        raise BadInput("byte 0x00 is no text", file=path, line=text[: text.index("\0")].count("\n") + 1)
    return Reader(text, str(path))
