"""Tokens of an EPICS database file with a cursor; every complaint carries file and line."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from sipmdcs.errors import BadInput

_TOKEN = re.compile(
    r"""(?P<space>\s+|\#[^\n]*)
      | (?P<quoted>"(?:[^"\\\n]|\\.)*")
      | (?P<punct>[(){},=])
      | (?P<word>(?:\$\([^()]*(?:\([^()]*\)[^()]*)*\)|\$\{[^{}]*\}|[A-Za-z0-9_\-+:./\\\[\]<>;*@&%!~])+)
    """,
    re.VERBOSE,
)
_ESCAPE = re.compile(r"\\(.)")
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"', "'": "'"}
"""Escapes that mean the same to everybody; EPICS Base knows more, which nobody needs."""


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    line: int


class Reader:
    """Tokens of one file with a cursor; every complaint carries file and line."""

    def __init__(self, text: str, file: str) -> None:
        self.file = file
        self._text = text
        self._tokens: list[_Token] = []
        self._offsets: list[int] = []
        self._index = 0
        self._tokenize(0, 1)

    def _tokenize(self, position: int, line: int) -> None:
        text = self._text
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None:
                if text[position] == '"':
                    raise BadInput("string is not closed before the end of the line", file=self.file, line=line)
                # JSON holds characters that are no token anywhere else; take them one by one and let the grammar decide.
                self._tokens.append(_Token("other", text[position], line))
                self._offsets.append(position)
                position += 1
                continue
            kind = match.lastgroup or ""
            if kind != "space":
                self._tokens.append(_Token(kind, match.group(), line))
                self._offsets.append(position)
            line += match.group().count("\n")
            position = match.end()
        self._tokens.append(_Token("end", "", line))
        self._offsets.append(len(text))

    @property
    def line(self) -> int:
        """Line of the token that is next."""
        return self._tokens[self._index].line

    def error(self, expected: str) -> BadInput:
        """The complaint that something else than ``expected`` is next."""
        token = self._tokens[self._index]
        found = "end of file" if token.kind == "end" else token.text if token.text.isprintable() else repr(token.text)
        return BadInput(f"expected {expected}, found {found}", file=self.file, line=token.line)

    def at(self, *texts: str) -> bool:
        """Whether one of these words or marks is next."""
        token = self._tokens[self._index]
        return token.kind in ("punct", "word") and token.text in texts

    def at_end(self) -> bool:
        """Whether the file is read."""
        return self._tokens[self._index].kind == "end"

    def take(self, *texts: str) -> str:
        """Step over one of these words or marks.

        Raises:
            BadInput: something else is next.
        """
        if not self.at(*texts):
            raise self.error(" or ".join(text if text.isalpha() else f"'{text}'" for text in texts))
        self._index += 1
        return self._tokens[self._index - 1].text

    def skip(self, text: str) -> bool:
        """Step over ``text`` if it is next."""
        if self.at(text):
            self._index += 1
            return True
        return False

    def value(self, what: str) -> str:
        """A word, or a quoted string with its escapes resolved."""
        token = self._tokens[self._index]
        if token.kind not in ("word", "quoted"):
            raise self.error(what)
        self._index += 1
        if token.kind == "word":
            return token.text
        return _ESCAPE.sub(lambda match: self._unescape(match[1], token.line), token.text[1:-1])

    def _unescape(self, char: str, line: int) -> str:
        if char not in _ESCAPED:
            raise BadInput(f"unknown escape \\{char} in a string", file=self.file, line=line)
        return _ESCAPED[char]

    def json_text(self) -> str:
        """A JSON object or array, as written; its brackets are matched outside strings."""
        start = self._index
        depth = 0
        while True:
            token = self._tokens[self._index]
            if token.kind == "end":
                raise self.error("the end of a JSON value")
            self._index += 1
            if token.kind != "quoted":
                depth += sum(token.text.count(c) for c in "{[") - sum(token.text.count(c) for c in "}]")
            if depth <= 0:
                return self._text[self._offsets[start] : self._offsets[self._index - 1] + len(token.text)]

    def at_json(self) -> bool:
        """Whether a JSON object or array is next."""
        token = self._tokens[self._index]
        return token.text[:1] in ("{", "[") and token.kind != "quoted"


def open_reader(path: Path) -> Reader:
    """A cursor at the start of a file.

    Raises:
        BadInput: the file cannot be read, is no text in UTF-8, or holds a string that is not closed.
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
