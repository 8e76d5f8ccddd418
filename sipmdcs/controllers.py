"""Kinds of controller, found through the entry-point group ``sipmdcs.drivers``.

A new kind is one module that offers a ``ControllerType`` under its name; nothing in the core changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint

from sipmdcs.errors import BadInput
from sipmdcs.installed import installed

GROUP = "sipmdcs.drivers"


@dataclass(frozen=True, slots=True)
class ControllerType:
    """What the other parts need to know of a kind of controller without talking to one."""

    name: str
    """Name in site and topology files, such as ``padme-nim``."""
    description: str
    channels: int
    """Bias outputs of one controller; channel addresses run from 1."""
    bias_min_V: float
    bias_max_V: float
    controller_templates: tuple[str, ...]
    """Templates made once per controller."""
    channel_templates: tuple[str, ...]
    """Templates made once per channel."""
    driver: str
    """``module:attribute`` of the driver class, imported only by an IOC."""
    simulator: str
    """``module:attribute`` of the simulator, imported only where simulators run."""
    macros: tuple[tuple[str, str], ...] = ()
    """Template macros that hold for this kind, such as limits of the device."""


def controller_type(name: str) -> ControllerType:
    """The kind of controller with this name.

    Raises:
        BadInput: nothing is installed under that name; the message lists what is.
    """
    known = _entry_points()
    if name not in known:
        raise BadInput(f"unknown driver {name}, installed are {', '.join(sorted(known)) or 'none'}")
    found = known[name].load()
    if not isinstance(found, ControllerType):
        raise BadInput(f"driver {name}: entry point {known[name].value} is not a ControllerType")
    return found


@cache
def _entry_points() -> Mapping[str, EntryPoint]:
    """By name. Read once: that takes 10 ms, and a site may have hundreds of controllers."""
    return {point.name: point for point in installed(GROUP)}
