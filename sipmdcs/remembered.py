"""Answers that are asked for again and again, such as the newest runs: kept as long as their source holds the same rows."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

_MAX_KEPT = 64
"""Answers; what is kept must be small, 64 kB say."""

T = TypeVar("T")


class Remembered(Generic[T]):
    """The newest answers, each with the version of the rows that it was made from; any thread may ask.

    A version that is ``None`` is not known: nothing is found by it, and nothing kept.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, tuple[str, T]] = OrderedDict()

    def get(self, key: Hashable, version: str | None) -> T | None:
        """The answer to a question, made from rows of this version; ``None`` if it is not kept."""
        with self._lock:
            kept = self._kept.get(key)
        return kept[1] if kept is not None and kept[0] == version else None

    def keep(self, key: Hashable, version: str | None, answer: T) -> None:
        """Keep an answer.

        Args:
            key: all that it follows from besides the rows.
            version: of the rows, asked for before they were read.
            answer: must not follow from anything else, such as the time.
        """
        if version is None:
            return
        with self._lock:
            self._kept[key] = version, answer
            self._kept.move_to_end(key)
            while len(self._kept) > _MAX_KEPT:
                self._kept.popitem(last=False)
