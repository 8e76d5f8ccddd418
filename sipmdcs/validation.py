"""What a schema says about an input, as one line."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from sipmdcs.errors import BadInput


def bad_value(err: ValidationError) -> BadInput:
    """The first problem of an input, an unknown name before others: it is often the misspelt one of those that are missing."""
    problem: Any = min(err.errors(), key=lambda problem: problem["type"] != "extra_forbidden")
    message = str(problem["msg"]).removeprefix("Value error, ")
    if problem["type"] == "extra_forbidden":
        message = "unknown"
    elif problem["type"] == "missing":
        message = "is missing"
    else:
        message = message[:1].lower() + message[1:]
    key = ".".join(text if (text := str(part)).isprintable() else repr(text) for part in problem["loc"])
    return BadInput(message, key=key[:80] or None)
