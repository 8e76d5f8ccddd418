"""Faults that can be caused while a simulator runs. Wire faults act on replies, the others on what the device sees."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from math import isfinite

from sipmdcs.errors import BadInput


class Knob(StrEnum):
    """What can be turned. Counting knobs take the number of replies they spoil; 0 ends every fault."""

    DROP = "drop-reply"
    TRUNCATE = "truncate"
    CHECKSUM = "bad-checksum"
    LETTERS = "wrong-letters"
    GARBAGE = "garbage"
    """Noise instead of the reply."""
    EXTRA_BYTES = "extra-bytes"
    """Noise before the reply."""
    UART = "uart-error"
    """The device hears a request with a parity or framing error."""
    DELAY = "delay"
    """Seconds by which every reply is late."""
    SPLIT = "split"
    """1: every reply comes in pieces."""
    UNPLUG = "unplug"
    """1: the wire is unplugged."""
    POWER_CYCLE = "power-cycle"
    """1: off and on again."""
    EXTRA_CURRENT = "extra-current"
    """µA that a channel draws on top."""
    SENSOR = "sensor-unplugged"
    """1: the temperature sensor of a channel is unplugged."""
    TEMPERATURE = "temperature"
    """°C at a channel, whatever the climate; ``off`` to end it."""
    CARD_ERROR = "card-error"
    """Error word of a channel card."""
    REFUSE = "refuse"
    """1: a channel understands what sets or switches it, and says no."""


COUNTING = frozenset({Knob.DROP, Knob.TRUNCATE, Knob.CHECKSUM, Knob.LETTERS, Knob.GARBAGE, Knob.EXTRA_BYTES, Knob.UART})
CHANNEL_KNOBS = frozenset({Knob.EXTRA_CURRENT, Knob.SENSOR, Knob.TEMPERATURE, Knob.CARD_ERROR, Knob.REFUSE})

NOISE = bytes((0x00, 0xFF, 0x55, 0x7E, 0x80, 0xAA, 0x1B))
"""Without STX, prompt or JSON in it."""

Spoil = Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes to send after waiting."""

    delay_s: float
    data: bytes


@dataclass(frozen=True, slots=True)
class Spoilers:
    """How a protocol spoils a reply in its own terms."""

    checksum: Spoil
    """Make the reply fail its integrity check."""
    letters: Spoil
    """Make it the reply to another request, correct in itself."""


class Faults:
    """State of all knobs of one controller."""

    def __init__(self, channels: int, supported: frozenset[Knob]) -> None:
        self._channels = channels
        self._supported = supported
        self._values: dict[tuple[int, Knob], float] = {}

    def turn(self, channel: int | None, knob: Knob, text: str) -> float | None:
        """Set a knob and return its new value, ``None`` for off.

        Raises:
            BadInput: this controller has no such knob or channel, or the value is no number.
        """
        if knob not in self._supported:
            raise BadInput(f"has no knob {knob}, it has {', '.join(sorted(self._supported))}")
        if (knob in CHANNEL_KNOBS) != (channel is not None):
            raise BadInput(f"{knob} {'needs' if knob in CHANNEL_KNOBS else 'takes no'} channel")
        if channel is not None and not 1 <= channel <= self._channels:
            raise BadInput(f"channel {channel} is outside 1 to {self._channels}")
        key = (channel or 0, knob)
        if text == "off" or (knob is not Knob.TEMPERATURE and _number(knob, text) == 0):
            self._values.pop(key, None)
            return None
        self._values[key] = _number(knob, text)
        return self._values[key]

    def channel(self, channel: int, knob: Knob) -> float | None:
        """Value of a channel's knob, ``None`` if off."""
        return self._values.get((channel, knob))

    @property
    def unplugged(self) -> bool:
        """Whether nothing passes the wire."""
        return (0, Knob.UNPLUG) in self._values

    def spoil(self, reply: bytes, spoilers: Spoilers) -> tuple[Chunk, ...]:
        """What goes out instead of ``reply``."""
        if self.unplugged or self.uses(Knob.DROP):
            return ()
        if self.uses(Knob.GARBAGE):
            reply = NOISE
        if self.uses(Knob.LETTERS):
            reply = spoilers.letters(reply)
        if self.uses(Knob.CHECKSUM):
            reply = spoilers.checksum(reply)
        if self.uses(Knob.TRUNCATE):
            reply = reply[: len(reply) // 2]
        if self.uses(Knob.EXTRA_BYTES):
            reply = NOISE + reply
        late = self._values.get((0, Knob.DELAY), 0.0)
        if (0, Knob.SPLIT) not in self._values:
            return (Chunk(late, reply),)
        third = max(len(reply) // 3, 1)
        pieces = (reply[:third], reply[third : 2 * third], reply[2 * third :])
        return tuple(Chunk(late if index == 0 else 0.01, piece) for index, piece in enumerate(pieces) if piece)

    def uses(self, knob: Knob) -> bool:
        """Whether a counting knob acts this time; it counts down."""
        left = self._values.get((0, knob), 0.0)
        if left <= 0:
            return False
        if left == 1:
            del self._values[0, knob]
        else:
            self._values[0, knob] = left - 1
        return True


def _number(knob: Knob, text: str) -> float:
    try:
        value = float(text)
    except ValueError as err:
        raise BadInput(f"{knob} {text!r} is not a number") from err
    if not isfinite(value):
        raise BadInput(f"{knob} {text!r} is not a finite number")
    if knob in COUNTING and (value < 0 or value != int(value)):
        raise BadInput(f"{knob} {text!r} is not a number of replies")
    return value
