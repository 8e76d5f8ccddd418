"""The installation a screen belongs to, from its macro ``SITE``: the site folder, the current one if left out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from opi.detector import Detector, read_detector
from sipmdcs.errors import BadInput
from sipmdcs.site import Site


def detector_of(macros: Mapping[str, str]) -> Detector:
    """The detector a screen shows.

    Raises:
        BadInput: there is no site in that folder, or its file is wrong.
    """
    return read_detector(Site(Path(macros.get("SITE", "."))))


def required(macros: Mapping[str, str], name: str) -> str:
    """A macro that a screen cannot do without.

    Raises:
        BadInput: it is not given.
    """
    if not macros.get(name):
        raise BadInput(f"screen needs the macro {name}", key=name)
    return macros[name]
