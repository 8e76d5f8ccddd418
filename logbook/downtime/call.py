"""What an argument of ``sipmdcs downtime`` asks for: any text at all is one of three modes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache

from logbook.downtime.file import DowntimeFile, Message
from logbook.downtime.moment import parse_moment
from sipmdcs.patterns import Finder

LARGEST_RUN = 2**31 - 1
"""What the columns of the run numbers hold."""

LONGEST_MESSAGE = 10_000
"""Characters; nothing longer is a message."""


class Mode(StrEnum):
    """How the logger works."""

    SEMI_AUTOMATIC = "semi-automatic"
    """A stop: stored with an open end, then somebody is asked why."""
    AUTOMATIC = "automatic"
    """A start: the end is stored."""
    MANUAL = "manual"
    """Entries by hand."""


@dataclass(frozen=True, slots=True)
class Call:
    """An argument, understood."""

    mode: Mode
    partition: str = ""
    run: int | None = None
    subrun: int | None = None
    time: datetime | None = None
    """As the message names it, UTC."""
    problem: str = ""
    """Why the message cannot be used, although it is one; empty if it can."""


_finder = lru_cache(256)(Finder)

_MODES = {"stop": Mode.SEMI_AUTOMATIC, "start": Mode.AUTOMATIC}
_SHORT = {"0": Mode.SEMI_AUTOMATIC, "2": Mode.AUTOMATIC}


def classify(argument: str, file: DowntimeFile, now: datetime | None = None) -> Call:
    """What the argument asks for at ``now``; never raises."""
    text = " ".join(argument.split())
    if text in _SHORT:
        return Call(_SHORT[text])
    if len(text) > LONGEST_MESSAGE:
        return Call(Mode.MANUAL)
    for message in file.messages:
        if (said := _finder(message.pattern).find(text)) is not None:
            latest = None if now is None else now + timedelta(seconds=file.clock_skew_s)
            return _read(message, text, said, file, latest)
    for message in file.messages:
        if message.resembles and _finder(message.resembles).find(text) is not None:
            expected = f"expected, for example, {message.example!r}" if message.example else f"expected {message.pattern}"
            return Call(
                _MODES[message.means],
                problem=f"{message.means} message {shortened(text)} is not complete or not known, {expected}",
            )
    return Call(Mode.MANUAL)


def shortened(text: str, longest: int = 120) -> str:
    """A text of somebody else in quotes, fit for one line."""
    return repr(text if len(text) <= longest else f"{text[: longest - 1]}…")


def _read(message: Message, text: str, said: dict[str, str], file: DowntimeFile, latest: datetime | None) -> Call:
    mode = _MODES[message.means]
    said = {name: value for name, value in said.items() if value}
    try:
        return Call(
            mode,
            partition=said.get("partition", ""),
            run=_number("run", said),
            subrun=_number("subrun", said),
            time=parse_moment(said["time"], file.zone, latest) if "time" in said else None,
        )
    except ValueError as err:
        return Call(mode, problem=f"{message.means} message {shortened(text)}: {err}")


def _number(name: str, said: dict[str, str]) -> int | None:
    if name not in said:
        return None
    text = said[name]
    if not re.fullmatch(r"[0-9]{1,10}", text) or int(text) > LARGEST_RUN:
        raise ValueError(f"{name} {shortened(text, 30)} is not a whole number from 0 to {LARGEST_RUN}")
    return int(text)
