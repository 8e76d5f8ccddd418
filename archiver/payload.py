"""Strings and arrays as bytes in the capture log.

Each payload is a tag of three characters, a zero byte, the length of its data as unsigned 32-bit little endian, and the
data: ``utf`` text in UTF-8, ``txt`` a JSON list of strings, else the numpy type of an array such as ``<f8``.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable

import numpy as np

from sipmdcs.channels import PvData

_HEAD = struct.Struct("<3sxI")
_TEXT = b"utf"
_TEXTS = b"txt"


def encode(payloads: Iterable[PvData]) -> bytes:
    """Payloads, one after the other."""
    parts: list[bytes] = []
    for payload in payloads:
        if isinstance(payload, str):
            tag, data = _TEXT, payload.encode("utf-8", "replace")
        elif isinstance(payload, list):
            tag, data = _TEXTS, json.dumps(payload).encode()
        else:
            array = np.ascontiguousarray(payload)
            little = array.astype(array.dtype.newbyteorder("<"), copy=False)
            tag, data = little.dtype.str.encode(), little.tobytes()
        parts += (_HEAD.pack(tag, len(data)), data)
    return b"".join(parts)


def decode(data: bytes) -> list[PvData]:
    """The inverse of ``encode``.

    Raises:
        ValueError: the bytes are not what ``encode`` writes.
    """
    payloads: list[PvData] = []
    position = 0
    while position < len(data):
        if position + _HEAD.size > len(data):
            raise ValueError(f"payload header cut at byte {position}")
        tag, length = _HEAD.unpack_from(data, position)
        position += _HEAD.size
        body = data[position : position + length]
        if len(body) != length:
            raise ValueError(f"payload of {length} bytes cut at byte {position}")
        payloads.append(_decode_one(tag, body))
        position += length
    return payloads


def _decode_one(tag: bytes, body: bytes) -> PvData:
    if tag == _TEXT:
        return body.decode()
    if tag == _TEXTS:
        return json.loads(body)
    try:
        return np.frombuffer(body, np.dtype(tag.decode("ascii")))
    except TypeError as err:
        raise ValueError(f"unknown payload type {tag!r}") from err
