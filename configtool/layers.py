"""Where a setting stands: default < subsystem < controller < channel; the highest layer that says something wins."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum

from sipmdcs.errors import BadInput

_LABEL = re.compile(r"(?P<controller>[A-Za-z0-9_-]+)\.(?P<number>\d{1,3})", re.ASCII)


class Layer(IntEnum):
    """Layers from weak to strong. The numbers are stored."""

    DEFAULT = 0
    SUBSYSTEM = 1
    CONTROLLER = 2
    CHANNEL = 3


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A layer, and the thing in it that a setting is for."""

    layer: Layer
    target: str = ""
    """Subsystem (``PVETO``), controller id (``17``) or channel (``17.03``); empty for the default."""

    def __str__(self) -> str:
        return "default" if self.layer is Layer.DEFAULT else f"{self.layer.name.lower()} {self.target}"


DEFAULT = Place(Layer.DEFAULT)


@dataclass(frozen=True, slots=True, order=True)
class ChannelId:
    """A bias output: controller id as in the channel table, and channel from 1."""

    controller: str
    number: int

    def __str__(self) -> str:
        return f"{self.controller}.{self.number:02d}"

    def places(self, subsystem: str | None) -> tuple[Place, ...]:
        """Where settings for this channel may stand, from weak to strong."""
        of_subsystem = (Place(Layer.SUBSYSTEM, subsystem),) if subsystem else ()
        own = (Place(Layer.CONTROLLER, self.controller), Place(Layer.CHANNEL, str(self)))
        return (DEFAULT, *of_subsystem, *own)


def parse_channel(text: str) -> ChannelId:
    """``17.03`` as a channel.

    Raises:
        BadInput: it is not of that form.
    """
    match = _LABEL.fullmatch(text)
    if match is None or int(match["number"]) < 1:
        raise BadInput(f"{text!r} is no channel, expected CONTROLLER.CHANNEL such as 17.03")
    return ChannelId(match["controller"], int(match["number"]))
