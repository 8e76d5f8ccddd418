"""What a command needs before it is sent: nothing, a question, or it is refused."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum

SAME = 0.05
"""Numbers this near to each other are the same to who answers: overvoltages follow the noise of the temperature."""


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
    about: tuple[str | float | None, ...] = ()
    """What a yes is said to: texts as they are, numbers to within ``SAME``."""

    def covers(self, later: Verdict) -> bool:
        """Whether a yes to this question is one to what is judged later, too."""
        pairs = zip(self.about, later.about, strict=False)
        same = len(self.about) == len(later.about) and all(_is_same(mine, other) for mine, other in pairs)
        return same and later.weight <= self.weight


def _is_same(one: str | float | None, other: str | float | None) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=0, abs_tol=SAME)
    return one == other
