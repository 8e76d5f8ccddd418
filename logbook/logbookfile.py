"""What a site says about its runs.

``logbook.yaml``, which it need not have::

partitions: [MAIN, LED]                  # the first is the default
types: [physics, calibration]
heartbeat_s: {MAIN: 30}                  # a DAQ of this partition that is silent so long is dead
summary:                                 # PVs that are summarised at the end of each run; * and ? as in file names
  - "*:CH*:BIAS_RBV"
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from sipmdcs.site import NamePart, Site
from sipmdcs.yamlfile import Strict, read_yaml

LOGBOOK_FILE = "logbook.yaml"

Pattern = Annotated[str, Field(min_length=1, max_length=120)]
Seconds = Annotated[float, Field(gt=0, le=31_536_000, strict=True)]
Partition = Annotated[NamePart, Field(max_length=24)]
RunType = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$", max_length=20)]


class LogbookFile(Strict):
    """Schema of ``logbook.yaml``."""

    partitions: Annotated[tuple[Partition, ...], Field(min_length=1)] = ("MAIN",)
    """What takes data together; the first is the default, and its PVs are ``DET:RUN:…``."""
    types: Annotated[tuple[RunType, ...], Field(min_length=1)] = (
        "physics",
        "calibration",
        "cosmics",
        "pedestal",
        "spectrum",
        "iv",
        "dark",
        "test",
    )
    """Types of runs; the first is the default."""
    heartbeat_s: dict[NamePart, Seconds] = Field(default_factory=dict)
    """By partition: silence of the data acquisition after which its run is closed. Left out: never."""
    summary: tuple[Pattern, ...] = ("*:CH*:BIAS_RBV", "*:CH*:CURRENT_RBV", "*:CH*:TEMP_RBV")
    """Names of PVs that are summarised when a run has ended."""
    summary_delay_s: Annotated[float, Field(ge=0, le=3600)] = 5.0
    """Wait for late samples after the end of a run."""
    summary_patience_s: Seconds = 7 * 86_400.0
    """How long the archive is asked again and again before a summary counts as failed."""
    reserved_numbers: Annotated[int, Field(ge=1, le=1000, strict=True)] = 10
    """Run numbers kept ready on this machine: so many runs can be opened while the database is away."""

    @model_validator(mode="after")
    def _known_partitions(self) -> LogbookFile:
        for name in self.heartbeat_s:
            if name not in self.partitions:
                raise ValueError(f"heartbeat_s names {name}, which is not among the partitions")
        for values in (self.partitions, self.types):
            if len(set(values)) < len(values):
                raise ValueError(f"a name is given twice in {', '.join(values)}")
        return self


def read_logbook_file(site: Site) -> LogbookFile:
    """The site's ``logbook.yaml``, or the defaults where it has none.

    Raises:
        BadInput: it is not what the schema expects.
    """
    path = site.folder / LOGBOOK_FILE
    return read_yaml(path, LogbookFile) if path.is_file() else LogbookFile()
