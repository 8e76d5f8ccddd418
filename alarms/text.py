"""Text that came from somewhere else, made fit for one line of a mail, a terminal or a screen.

Whatever a wire brings (units, labels, values, replies of mail servers) and whatever people type passes ``one_line`` where it
enters, so that no text can add a header to a mail, steer a terminal, or make a mail that cannot be built.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

MAX_NAME = 100
"""Characters of a name that a person gives something."""


def one_line(text: str, longest: int) -> str:
    """``text`` on one line, at most ``longest`` characters of it.

    White space of any kind and length becomes one blank. What cannot be printed is left out: control characters, those that
    turn the writing direction, halves of surrogate pairs, characters that no standard assigns.
    """
    clean = " ".join(text[: 4 * longest].split())
    if not clean.isprintable():
        clean = "".join(sign for sign in clean if sign.isprintable())
    return clean if len(clean) <= longest else f"{clean[: longest - 1]}…"


def some_lines(text: str, longest: int) -> str:
    """The same for each line of ``text``, indentation kept, at most ``longest`` characters altogether."""
    lines = (line.expandtabs().rstrip() for line in text[:longest].splitlines())
    return "\n".join("".join(sign for sign in line if sign.isprintable()) for line in lines).strip("\n")


def _name(text: str) -> str:
    if not text.strip() or not text.isprintable() or len(text) > MAX_NAME:
        raise ValueError(f"expected a name of printable characters on one line, at most {MAX_NAME} of them")
    return text


Name = Annotated[str, AfterValidator(_name)]
"""A name in a YAML file that stands in mails, logs and on terminals."""
