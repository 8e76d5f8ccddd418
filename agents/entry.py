"""What lies in the hot cache under the name of a PV.

An entry is a JSON object::

    {"value": 3.21, "time": 1795269600.25, "severity": "MINOR", "status": "HIGH", "unit": "V", "ttl": 15,
     "source": "summary", "seq": 42}

``value`` is ``null`` where there is none; ``time`` Unix seconds; ``ttl`` the seconds after which the entry is gone unless it is
written again; ``source`` the agent that wrote it and ``seq`` the number of its run.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from math import ceil, isfinite
from typing import Any

from agents.reading import INVALID, Row
from sipmdcs.severity import Severity

LONGEST_KEY = 250
"""Bytes (``KEY_MAX_LENGTH`` of memcached)."""
LARGEST_VALUE = 1_000_000
"""Bytes; memcached refuses an item of more than 1 MiB."""
LONGEST_TTL_S = 30 * 86_400
"""Memcached takes a larger number for a date."""

_KEY = re.compile(f"[!-~]{{1,{LONGEST_KEY}}}")
_ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)


def heartbeat_key(prefix: str) -> str:
    """Key of the entry that is there as long as the host of a site's agents lives."""
    return f"sipmdcs/{prefix}/agents"


def is_key(text: str) -> bool:
    """Whether memcached takes it: at most 250 bytes, no blank, no control character."""
    return _KEY.fullmatch(text) is not None


def ttl_of(interval: float, keep_intervals: int) -> int:
    """Time to live of what is renewed every ``interval`` seconds, whole seconds as memcached counts them."""
    return min(max(ceil(interval * keep_intervals), 1), LONGEST_TTL_S)


def encode_entry(value: Any, *, time: float, severity: str, status: str, unit: str, ttl: int, source: str, seq: int) -> bytes:
    """An entry as it lies in the cache; a number that is not finite becomes ``null``."""
    return join_entry(value, entry_end(time, severity, status, unit, ttl, source, seq))


def join_entry(value: Any, end: bytes) -> bytes:
    """An entry from its value, and ``entry_end``."""
    if type(value) is float and isfinite(value) and not value.is_integer():
        return b'{"value":%r,%b' % (value, end)  # thousands a second: the encoder takes three times as long
    return b'{"value":%b,%b' % (_ENCODER.encode(_plain(value)).encode(), end)


def entry_end(time: float, severity: str, status: str, unit: str, ttl: int, source: str, seq: int) -> bytes:
    """What follows the value of an entry."""
    return b'"time":%.6f,%b' % (time, _tail(severity, status, unit, ttl, source, seq))


@lru_cache(1024)  # many entries of one run, few severities and units
def _tail(severity: str, status: str, unit: str, ttl: int, source: str, seq: int) -> bytes:
    said = {"severity": severity, "status": status, "unit": unit, "ttl": ttl, "source": source, "seq": seq}
    return _ENCODER.encode(said)[1:].encode()


def decode_entry(data: bytes, wall: float, now: float) -> Row:
    """The row of an entry, from any program that writes one; INVALID if it is none.

    Args:
        data: what lies in the cache.
        wall: Unix time, seconds.
        now: monotonic seconds.
    """
    try:
        entry = json.loads(data)
        severity = int(Severity[entry["severity"]])
        time = float(entry["time"])
        return entry["value"], severity, str(entry["status"]), time, now - max(wall - time, 0.0)
    except (ValueError, KeyError, TypeError, RecursionError):
        return None, INVALID, "READ", 0.0, None


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not isfinite(value):
        return None
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    return value
