"""EPICS macros: ``$(NAME)``, ``${NAME}`` and ``$(NAME=default)``, as EPICS Base's macLib expands them, but strictly."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from sipmdcs.errors import BadInput

_PLAIN = re.compile(r"\$(?:\((\w+)(?:=([^$(){}]*))?\)|\{(\w+)(?:=([^$(){}]*))?\})")
"""A reference whose name and default hold no macros themselves: nearly all of them."""
_SEPARATOR = "\0"
"""Between texts that are expanded together; it stands in no file."""
_UNSAFE = re.compile(r"[$\0]")
"""What a value that is put in as it stands must not hold."""


def expand_macros(text: str, macros: Mapping[str, str], *, file: str | Path | None = None, line: int | None = None) -> str:
    """Replace ``$(NAME)``, ``${NAME}`` and ``$(NAME=default)``; defaults and values may hold macros themselves.

    Raises:
        BadInput: a macro is undefined without a default, unterminated, or refers to itself.
    """
    return _expand(text, macros, (), file, line)


class MacroTexts:
    """Texts of a template, which are expanded together, anew for each of thousands of channels."""

    def __init__(self, texts: Iterable[str]) -> None:
        """Look at ``texts`` once; those that hold more than plain references are left to ``expand_macros``."""
        self._texts: list[str] = []
        self._references: list[tuple[str, str | None]] = []
        """Name and default, in the order of the texts."""
        formats: list[str] = []
        for text in texts:
            *parts, end = _PLAIN.split(text)
            literals = (*parts[::5], end)
            if any("$" in literal or _SEPARATOR in literal for literal in literals):
                continue
            self._texts.append(text)
            formats.append("%s".join(literal.replace("%", "%%") for literal in literals))
            groups = zip(*(parts[at::5] for at in range(1, 5)), strict=True)
            self._references += [(name or braced, default if name else other) for name, default, braced, other in groups]
        self._format = _SEPARATOR.join(formats)

    def expand(self, macros: Mapping[str, str]) -> dict[str, str]:
        """The expanded texts by text; those that are missing need ``expand_macros``, which says what is wrong with them."""
        values = tuple([macros.get(name, default) for name, default in self._references])
        known = set(values)
        if None in known or any(_UNSAFE.search(value) for value in known if value):
            return {}
        return dict(zip(self._texts, (self._format % values).split(_SEPARATOR), strict=True)) if self._texts else {}


def _expand(text: str, macros: Mapping[str, str], seen: tuple[str, ...], file: str | Path | None, line: int | None) -> str:
    start = text.find("$")
    if start < 0:
        return text
    out: list[str] = []
    position = 0
    while (start := text.find("$", position)) >= 0:
        out.append(text[position:start])
        opening = text[start + 1 : start + 2]
        if opening not in ("(", "{"):
            out.append("$")
            position = start + 1
            continue
        end = _closing(text, start + 1, file, line)
        name, has_default, default = text[start + 2 : end].partition("=")
        name = _expand(name, macros, seen, file, line)
        if name in macros:
            if name in seen:
                raise BadInput(f"macro {name} refers to itself", file=file, line=line)
            out.append(_expand(macros[name], macros, (*seen, name), file, line))
        elif has_default:
            out.append(_expand(default, macros, seen, file, line))
        else:
            raise BadInput(f"macro {name} is not defined and has no default", file=file, line=line)
        position = end + 1
    out.append(text[position:])
    return "".join(out)


def _closing(text: str, opening: int, file: str | Path | None, line: int | None) -> int:
    """Index of the bracket that closes the one at ``opening``, nested brackets of the same kind counted."""
    left = text[opening]
    right = ")" if left == "(" else "}"
    depth = 0
    for index in range(opening, len(text)):
        if text[index] == left:
            depth += 1
        elif text[index] == right:
            depth -= 1
            if depth == 0:
                return index
    raise BadInput(f"macro {text[opening - 1 : opening + 12]}… is not closed", file=file, line=line)
