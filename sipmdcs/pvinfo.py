"""What a record says about itself beyond its value: archiving, alarming, autosave, hardware address.

Everything here is read from a ``Record``, so that each fact has one place: the template.

========================  =================================================================================
``info(archive, …)``      ``"monitor, 1.0"`` or ``"scan, 10"``: method, then seconds. For ``monitor`` the
                          number is the fastest period that is expected, for ``scan`` the sampling period.
``info(alarm, …)``        ``"PVETO/HV13/CH01 latch=no delay=5 guidance=over-current"``: path in the alarm tree,
                          then options. Quote a path that holds blanks with single quotes.
``info(autosaveFields)``  ``"VAL HIHI HIGH"``: fields that survive a restart.
``INP``, ``OUT``          ``"@asyn(PORT,ADDR)PARAMETER"``: port, address (0 if left out), parameter.
========================  =================================================================================
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any, NamedTuple

from sipmdcs.epicsdb import Record


class ArchiveMethod(StrEnum):
    """How samples are taken."""

    MONITOR = "monitor"
    """Every change the server posts."""
    SCAN = "scan"
    """The newest value once a period."""


@dataclass(frozen=True, slots=True)
class ArchivePolicy:
    """What ``info(archive, …)`` asks for."""

    method: ArchiveMethod
    period_s: float


@dataclass(frozen=True, slots=True)
class AlarmInfo:
    """What ``info(alarm, …)`` says of one PV; meanings as in Phoebus."""

    path: tuple[str, ...]
    """Place in the tree, the root left out; the PV hangs below the last one."""
    latching: bool = True
    annunciating: bool = True
    delay_s: int = 0
    count: int = 0
    guidance: str = ""
    """Key of a guidance text in the site's ``alarms.yaml``."""
    mask: str = ""
    """PV that silences this one while it is not 0, such as the ``MASK`` of its channel."""


class DeviceAddress(NamedTuple):
    """What ``@asyn(PORT,ADDR)PARAMETER`` in ``INP`` or ``OUT`` says."""

    port: str
    address: int
    parameter: str


_UNQUOTED = re.compile(r"[\w/:=.,;+ -]*", re.ASCII)
"""Words that mean the same to a shell as to ``str.split``, which is fifty times faster."""
_ASYN = re.compile(r"@asyn\(\s*([^,()\s]+)\s*(?:,\s*(\d+)\s*)?\)\s*([A-Z0-9_]+)")


@lru_cache(256)  # many records, few policies
def _policy(text: str) -> ArchivePolicy | None:
    method, _, period = (part.strip() for part in text.partition(","))
    try:
        policy = ArchivePolicy(ArchiveMethod(method), float(period))
    except ValueError:
        return None
    return policy if 0 < policy.period_s < 1e6 else None


def archive_policy(record: Record) -> ArchivePolicy | None:
    """The archive policy of a record, ``None`` if it asks for none.

    Raises:
        BadInput: the text is not ``method, seconds``.
    """
    text = record.info.get("archive")
    if text is None:
        return None
    policy = _policy(text)
    if policy is None:
        raise record.bad("info(archive)", f'{text!r} is no archive policy, expected "monitor, SECONDS" or "scan, SECONDS"')
    return policy


def alarm_info(record: Record) -> AlarmInfo | None:
    """Where a record stands in the alarm tree and how it behaves there, ``None`` if it does not alarm.

    Raises:
        BadInput: an unknown option, a bad value or no path.
    """
    text = record.info.get("alarm")
    if text is None:
        return None
    try:
        words = text.split() if _UNQUOTED.fullmatch(text) else shlex.split(text)
        if not words or "=" in words[0] or not all(path := words[0].split("/")):
            raise ValueError("does not start with a path such as PVETO/HV13/CH01")
        return AlarmInfo(tuple(path), **dict(map(_alarm_option, words[1:])))
    except ValueError as err:
        raise record.bad("info(alarm)", f"{text!r}: {err}") from err


@lru_cache(4096)  # those of one channel come together
def _alarm_option(word: str) -> tuple[str, Any]:
    """Attribute and value of ``option=value``.

    Raises:
        ValueError: it is not that.
    """
    key, has_value, value = word.partition("=")
    if not has_value:
        raise ValueError(f"{word!r} is not of the form option=value")
    match key:
        case "latch" | "annunciate":
            if value not in ("yes", "no"):
                raise ValueError(f"{word}: expected yes or no")
            return "latching" if key == "latch" else "annunciating", value == "yes"
        case "delay" | "count":
            if not value.isdecimal():
                raise ValueError(f"{word}: expected a whole number")
            return "delay_s" if key == "delay" else "count", int(value)
        case "guidance" | "mask":
            return key, value
        case _:
            raise ValueError(f"unknown option {key}, expected latch, annunciate, delay, count, guidance or mask")


def autosave_fields(record: Record) -> tuple[str, ...]:
    """Fields of a record that survive a restart, in the order written; empty if none."""
    return tuple(record.info.get("autosaveFields", "").split())


def device_address(record: Record) -> DeviceAddress | None:
    """The hardware parameter a record is bound to, ``None`` for a record without ``asyn…`` device type.

    Raises:
        BadInput: the device type says asyn but neither ``INP`` nor ``OUT`` is ``@asyn(PORT,ADDR)PARAMETER``.
    """
    if not record.fields.get("DTYP", "").startswith("asyn"):
        return None
    link = "INP" if "INP" in record.fields else "OUT"
    text = record.fields.get(link, "")
    match = _ASYN.fullmatch(text)
    if match is None:
        raise record.bad(link, f"{text!r} is no device address, expected @asyn(PORT,ADDR)PARAMETER")
    port, address, parameter = match.groups()
    return DeviceAddress(port, int(address or 0), parameter)
