"""EPICS macros: ``$(NAME)``, ``${NAME}`` and ``$(NAME=default)``, as EPICS Base's macLib expands them, but strictly."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from sipmdcs.errors import BadInput

_PLAIN = re.compile(r"\$(?:\((\w+)(?:=([^$(){}]*))?\)|\{(\w+)(?:=([^$(){}]*))?\})")
"""A reference whose name and default hold no macros themselves: nearly all of them."""


def expand_macros(text: str, macros: Mapping[str, str], *, file: str | Path | None = None, line: int | None = None) -> str:
    """Replace ``$(NAME)``, ``${NAME}`` and ``$(NAME=default)``; defaults and values may hold macros themselves.

    Raises:
        BadInput: a macro is undefined without a default, unterminated, or refers to itself.
    """
    return _expand_plain(text, macros) or _expand(text, macros, (), file, line)


def _expand_plain(text: str, macros: Mapping[str, str]) -> str:
    """The expanded text; empty if there is more to it than plain references, or nothing left."""
    end, references = _plain_references(text)
    out: list[str] = []
    for literal, name, default in references:
        value = macros.get(name, default)
        if value is None or "$" in value:
            return ""
        out += (literal, value)
    return "".join([*out, end]) if "$" not in end else ""


@lru_cache(4096)  # a text of a template is expanded for each of thousands of channels
def _plain_references(text: str) -> tuple[str, list[tuple[str, str, str | None]]]:
    """What follows the last plain reference, and of each one the text before it, its name, its default."""
    *parts, end = _PLAIN.split(text)
    groups = zip(*(parts[at::5] for at in range(5)), strict=True)
    references = [(before, name or braced, default if name else other) for before, name, default, braced, other in groups]
    return (end, references) if not any("$" in before for before, _, _ in references) else ("$", [])


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
