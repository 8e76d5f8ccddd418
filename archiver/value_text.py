"""Values as the text that stands for them in JSON and CSV."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from archiver.samples import Samples
from sipmdcs.channels import PvData, PvType

_WHOLE = (PvType.SHORT, PvType.ENUM, PvType.CHAR, PvType.LONG)
_NOT_FINITE = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


_MAX_PADDED = 10_000_000
"""Elements in an answer after filling up; more are left as they are."""


def longest_array(samples: Samples) -> int:
    """Elements of the longest numeric array, 0 if there is none."""
    return max(_lengths(samples), default=0)


def padded_width(samples: Samples) -> int:
    """The length to which numeric arrays are to be filled up; 0 if they need not, or would become too many elements."""
    lengths = set(_lengths(samples))
    width = max(lengths, default=0)
    return width if len(lengths) > 1 and width * len(samples) <= _MAX_PADDED else 0


def _lengths(samples: Samples) -> Iterator[int]:
    return (len(each) for each in (() if samples.payload is None else samples.payload) if isinstance(each, np.ndarray))


def value_texts(samples: Samples, types: NDArray[np.uint8], width: int = 0) -> list[str]:
    """JSON text of each value; NaN and infinities bare, as the Archiver Appliance and Python write them.

    Args:
        samples: values.
        types: ``PvType`` of each: whole numbers are written without decimal point.
        width: numeric arrays are filled up to this length with zeros.
    """
    texts: list[str] = []
    starts = np.flatnonzero(np.r_[True, types[1:] != types[:-1]]) if len(types) else np.empty(0, np.intp)
    for start, end in zip(starts.tolist(), [*starts[1:].tolist(), len(types)], strict=False):
        texts += _numbers(samples.value[start:end], PvType(int(types[start])))
    if samples.payload is not None:
        for index, payload in enumerate(samples.payload):
            if payload is not None:
                texts[index] = _payload(payload, PvType(int(types[index])), width)
    return texts


def finite_only(texts: list[str]) -> list[str]:
    """JSON that every parser takes: ``null`` for what is not finite."""
    return [_finite(text) if text[-1:] in "Ny" or text[:1] == "[" else text for text in texts]


def _finite(text: str) -> str:
    if text[:1] != "[":
        return "null" if text in _NOT_FINITE.values() else text
    if '"' in text or ("N" not in text and "y" not in text):
        return text
    return "[" + ", ".join("null" if word in _NOT_FINITE.values() else word for word in text[1:-1].split(", ")) + "]"


def _numbers(values: NDArray[np.floating], kind: PvType) -> list[str]:
    if not len(values):
        return []
    if kind in _WHOLE and np.all(np.abs(values) < 2.0**53) and np.all(np.trunc(values) == values):
        return json.dumps(values.astype(np.int64).tolist())[1:-1].split(", ")
    if kind is PvType.FLOAT:  # the shortest text that gives the same 32-bit number
        return [_NOT_FINITE.get(text, text) for text in map(str, values.astype(np.float32))]
    return json.dumps(values.tolist())[1:-1].split(", ")


def _payload(payload: PvData, kind: PvType, width: int) -> str:
    if isinstance(payload, np.ndarray):
        array = np.pad(payload, (0, max(width - len(payload), 0))) if width else payload
        return "[" + ", ".join(_numbers(array.astype(np.float64, copy=False), kind)) + "]"
    return json.dumps(payload)


def times_split(samples: Samples) -> Iterator[tuple[int, int]]:
    """Epoch seconds and nanoseconds of each sample."""
    seconds, nanos = np.divmod(samples.time_ns, 1_000_000_000)
    return zip(seconds.tolist(), nanos.tolist(), strict=True)
