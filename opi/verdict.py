"""What a command needs before it is sent: nothing, a question, or it is refused."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Weight(IntEnum):
    """What a command needs before it is sent."""

    NONE = 0
    """Nothing."""
    QUESTION = 1
    WARNING = 2
    """A question that stands out."""
    REFUSAL = 3
    """It is not sent."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a command needs, and the question or the reason of the refusal."""

    weight: Weight
    text: str = ""
