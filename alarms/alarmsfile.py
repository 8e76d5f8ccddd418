"""Schema of ``alarms.yaml``: what a site says of its alarms beyond ``info(alarm, …)`` of its records.

Only configuration stands here. Who put an alarm out of action for the night, and what state each is in, is kept elsewhere, so
that editing this file never loses an acknowledgement.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, Field

from alarms.text import MAX_NAME, Name
from sipmdcs.yamlfile import Strict

ALARMS_FILE = "alarms.yaml"


_MAX_PATH = 200


@lru_cache(maxsize=4096)  # PVs hang in bunches
def _tree_path(text: str) -> str:
    if len(text) > _MAX_PATH or not all(part.strip() == part and part and part.isprintable() for part in text.split("/")):
        raise ValueError(f"expected a path such as PVETO/HV13/CH01 of printable characters, at most {_MAX_PATH} of them")
    return text


def _pv_or_none(text: str) -> str:
    if text and (" " in text or not text.isprintable() or len(text) > MAX_NAME):
        raise ValueError("expected the name of a PV, or nothing")
    return text


TreePath = Annotated[str, AfterValidator(_tree_path)]
"""Place in the tree, parts joined by ``/``, the root left out."""


class NodeEntry(Strict):
    """What is said of one node of the tree."""

    description: str = ""
    guidance: str = ""
    """Key in ``guidance``; holds for everything below as well."""


class PvEntry(Strict):
    """What is said of one PV, or of all that match a pattern; what is left out stays as it was."""

    description: str | None = None
    latching: bool | None = None
    annunciating: bool | None = None
    delay_s: Annotated[int, Field(ge=0)] | None = None
    count: Annotated[int, Field(ge=0)] | None = None
    enabled: bool | AwareDatetime | None = None
    """False: disabled. A time with zone: disabled until then."""
    guidance: str | None = None
    """Key in ``guidance``."""
    mask: Annotated[str, AfterValidator(_pv_or_none)] | None = None
    """PV that silences this one while it is not 0; empty for none."""


class ExtraEntry(PvEntry):
    """A PV that no record of this site has, such as one of the accelerator."""

    path: TreePath


class AlarmsFile(Strict):
    """Schema of ``alarms.yaml``; everything may be left out."""

    disconnect_grace_s: Annotated[float, Field(ge=0, le=600)] = 5.0
    """A PV that was connected becomes UNDEFINED when it is gone for so long; a record that was never processed alarms then."""
    connect_timeout_s: Annotated[float, Field(gt=0, le=600)] = 30.0
    """A PV that was never connected since the service started becomes UNDEFINED after so long."""
    banner_rows: Annotated[int, Field(ge=1, le=50)] = 10
    """Active alarms shown in the banner."""
    guidance: dict[str, str] = Field(default_factory=dict)
    """Texts for the shifter, by key."""
    nodes: dict[TreePath, NodeEntry] = Field(default_factory=dict)
    pvs: dict[str, PvEntry] = Field(default_factory=dict)
    """By PV name or pattern (``*``, ``?``, ``[…]``); later entries win."""
    extra: dict[Name, ExtraEntry] = Field(default_factory=dict)
    """By PV name."""
