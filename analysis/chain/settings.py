"""``analysis.yaml`` of the site folder: what the quasi-online analysis puts into PVs, and how hard it tries. Optional."""

from __future__ import annotations

import os
from typing import Annotated, Literal

from pydantic import Field

from sipmdcs.site import Site
from sipmdcs.yamlfile import Strict, read_yaml

FILE = "analysis.yaml"

Published = Literal["gain", "dark_rate", "crosstalk", "vbr"]


class Settings(Strict):
    """Schema of ``analysis.yaml``."""

    publish: tuple[Published, ...] = ("gain", "dark_rate", "crosstalk", "vbr")
    """Quantities that go into the PVs of their channel."""
    vbr_method: str = "ild"
    """The method whose breakdown voltage goes into ``VBR``; the others are in SQL."""
    dark_rate_method: str = "mean"
    """The same for ``DARK_RATE``."""
    workers: Annotated[int, Field(ge=0, le=256, strict=True)] = 0
    """Worker processes on this machine; 0 for one per core."""
    attempts: Annotated[int, Field(ge=1, le=10, strict=True)] = 3
    """How often an analysis is begun before it counts as failed: one that kills its worker must not do so for ever."""

    @property
    def worker_count(self) -> int:
        """Worker processes on this machine."""
        return self.workers or len(os.sched_getaffinity(0))


def read_settings(site: Site) -> Settings:
    """What the site says, else the defaults.

    Raises:
        BadInput: the file cannot be used.
    """
    path = site.folder / FILE
    return read_yaml(path, Settings) if path.is_file() else Settings()
