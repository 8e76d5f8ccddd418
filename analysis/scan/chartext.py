"""Text longer than an EPICS string, in a waveform of CHAR: ASCII, ended by a NUL."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sipmdcs.channels import PvData
from sipmdcs.publisher import Value


def to_chars(text: str, size: int) -> list[int]:
    """What a waveform of ``size`` elements is to hold; too long a text is cut, and other than ASCII becomes ``?``."""
    return [*text.encode("ascii", "replace")[: size - 1], 0]


def to_wire(text: str) -> NDArray[np.uint8]:
    """As a client puts it."""
    return np.frombuffer(text.encode("ascii", "replace") + b"\0", np.uint8)


def from_chars(value: Value | PvData) -> str:
    """The text in a waveform, as a server holds it or a client gets it."""
    if isinstance(value, str):
        return value
    elements: Sequence[int] = np.atleast_1d(np.asarray(value)).tolist()
    return bytes(int(element) % 256 for element in elements).partition(b"\0")[0].decode("ascii", "replace")
