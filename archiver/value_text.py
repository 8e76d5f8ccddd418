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


def value_texts(samples: Samples, kind: PvType) -> list[str]:
    """JSON text of each value; NaN and infinities bare, as the Archiver Appliance and Python write them.

    Args:
        samples: values.
        kind: native type of the PV; whole numbers are written without decimal point.
    """
    texts = _numbers(samples.value, kind)
    if samples.payload is not None:
        for index, payload in enumerate(samples.payload):
            if payload is not None:
                texts[index] = _payload(payload, kind)
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
    if kind in _WHOLE and np.isfinite(values).all():
        return json.dumps(values.astype(np.int64).tolist())[1:-1].split(", ")
    if kind is PvType.FLOAT:  # the shortest text that gives the same 32-bit number
        return [_NOT_FINITE.get(text, text) for text in map(str, values.astype(np.float32))]
    return json.dumps(values.tolist())[1:-1].split(", ")


def _payload(payload: PvData, kind: PvType) -> str:
    if isinstance(payload, np.ndarray):
        return "[" + ", ".join(_numbers(payload.astype(np.float64, copy=False), kind)) + "]"
    return json.dumps(payload)


def times_split(samples: Samples) -> Iterator[tuple[int, int]]:
    """Epoch seconds and nanoseconds of each sample."""
    seconds, nanos = np.divmod(samples.time_ns, 1_000_000_000)
    return zip(seconds.tolist(), nanos.tolist(), strict=True)
