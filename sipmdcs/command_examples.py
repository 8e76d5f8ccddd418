"""Examples at the end of a command's ``--help``."""

from __future__ import annotations


def examples(*lines: str, title: str = "Examples") -> str:
    """Lines for the ``epilog`` of a command, kept as they are.

    Each line is a command as typed, explained after a ``#`` where it does not explain itself.
    """
    # A line of its own with a backspace keeps click from wrapping what follows.
    return "\n".join(("\b", f"{title}:", *(f"  {line}" for line in lines)))
