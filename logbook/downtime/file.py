"""``downtime.yaml``: detectors, categories, messages, columns and where the log is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, model_validator

from logbook.downtime.record import UNDECIDED
from logbook.logbookfile import LOGBOOK_FILE, read_logbook_file
from sipmdcs.patterns import BadPattern, Finder
from sipmdcs.site import Site
from sipmdcs.yamlfile import Strict, bad_key, read_yaml

DOWNTIME_FILE = "downtime.yaml"
GROUPS = frozenset({"partition", "run", "subrun", "time"})
"""Names that a group of a message may have."""

Column = Literal[
    "id",
    "detector",
    "run",
    "subrun",
    "started_at",
    "ended_at",
    "duration",
    "category",
    "description",
    "user",
    "source",
    "created_at",
]


def _expression(text: str) -> str:
    try:
        finder = Finder(text)
    except BadPattern as err:
        raise ValueError(str(err)) from err
    if unknown := sorted(finder.groups - GROUPS):
        raise ValueError(f"group {unknown[0]} means nothing here, expected {', '.join(sorted(GROUPS))}")
    if text and finder.find("") is not None:
        raise ValueError("matches the empty text, which is no message")
    return text


def _zone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (ValueError, OSError, KeyError) as err:
        raise ValueError("not a time zone such as UTC or Europe/Rome") from err
    return text


def _name(text: str) -> str:
    if not text.strip() or text != text.strip() or not text.isprintable():
        raise ValueError("expected a name: printable, without spaces around it")
    return text


Expression = Annotated[str, AfterValidator(_expression)]
DetectorName = Annotated[str, Field(max_length=40), AfterValidator(_name)]
CategoryName = Annotated[str, Field(max_length=60), AfterValidator(_name)]


class Detector(Strict):
    """Where the calls for one detector come from. It is meant if all that is given fits."""

    hosts: tuple[str, ...] = ()
    """Names of machines, or patterns such as ``pvetodaq*``, upper or lower case."""
    partitions: tuple[Annotated[str, Field(coerce_numbers_to_str=True)], ...] = ()
    """As messages name them."""
    run_partitions: Annotated[tuple[str, ...], Field(max_length=24)] = ()
    """Partitions of ``logbook.yaml`` whose runs stop when this detector does; left out, see ``partitions_of_runs``."""


class Category(Strict):
    """Why a detector was down."""

    name: CategoryName
    hint: str = ""
    """What belongs here; shown beside the choice."""
    retired: bool = False
    """Not offered any more; old records keep it."""


class Message(Strict):
    """A message of the data acquisition."""

    means: Literal["stop", "start"]
    pattern: Expression
    """Found anywhere in the argument, runs of spaces made one. Groups: partition, run, subrun, time."""
    resembles: Expression = ""
    """What is found in a message that is cut or damaged: it is refused with a reason, instead of being no message at all."""
    example: str = ""
    """One such message; shown when a damaged one is refused."""

    @model_validator(mode="after")
    def _example_is_one(self) -> Message:
        if self.example and Finder(self.pattern).find(self.example) is None:
            raise ValueError("pattern does not match the example")
        return self


_TAIL = r"Run/Subrun/Time (?P<run>\S+) (?P<subrun>\S+) (?P<time>\S.*)"
_PARTITION = r"(?:\bPartition (?P<partition>\S+) )?\btransitioned from"
DEFAULT_MESSAGES = (
    Message(
        means="stop",
        pattern=rf"{_PARTITION} Running to Stopped, Last {_TAIL}",
        resembles=r"\btransitioned from Runn|^Partition( \S+( trans\w*( f\w*)?)?)?$",
        example="Partition 1 transitioned from Running to Stopped, Last Run/Subrun/Time 1204 7 2026-11-21T13:22:48Z",
    ),
    Message(
        means="start",
        pattern=rf"{_PARTITION} Stopped to Running\b(?:.* {_TAIL}|(?:[^/]|/+[^/S])*/*$)",
        resembles=r"\btransitioned from Stop",
        example="Partition 1 transitioned from Stopped to Running, First Run/Subrun/Time 1205 0 2026-11-21T13:41:03Z",
    ),
)
"""As the data acquisition of NOvA writes them; a start may come without run and time, that is without ``/S`` in its rest."""

DEFAULT_CATEGORIES = (
    Category(name="Beam", hint="no beam, or beam studies"),
    Category(name="DAQ", hint="data acquisition, trigger, event builder, storage"),
    Category(name="High voltage", hint="bias, trips, interlocks"),
    Category(name="Electronics", hint="front end, digitisers, clock"),
    Category(name="Network and computing", hint=""),
    Category(name="Cooling and power", hint="infrastructure"),
    Category(name="Calibration", hint="planned"),
    Category(name="Maintenance", hint="planned work"),
    Category(name="Operator error", hint=""),
    Category(name="Other", hint="say more in the description"),
)


class DowntimeFile(Strict):
    """Schema of ``downtime.yaml``."""

    detectors: Annotated[dict[DetectorName, Detector], Field(min_length=1)]
    categories: Annotated[tuple[Category, ...], Field(min_length=1)] = DEFAULT_CATEGORIES
    messages: Annotated[tuple[Message, ...], Field(min_length=1)] = DEFAULT_MESSAGES
    columns: Annotated[tuple[Column, ...], Field(min_length=1)] = (
        "id", "detector", "started_at", "ended_at", "duration", "category", "run", "description", "user",
    )  # fmt: skip
    """Of lists, in this order."""
    time_zone: Annotated[str, AfterValidator(_zone)] = "UTC"
    """Of times that name none."""
    clock_skew_s: Annotated[float, Field(ge=0, le=3600, strict=True)] = 60.0
    """How far ahead of this machine's clock a time may be, seconds."""
    patience_s: Annotated[float, Field(ge=1, le=60, strict=True)] = 6.0
    """How long a call waits for the database, seconds. Longer than the 5 s after which a connection fails by itself."""
    log: Annotated[str, Field(min_length=1)] = "var/log/downtime.log"
    """Relative to the site folder."""

    @model_validator(mode="after")
    def _categories_are_different(self) -> DowntimeFile:
        names = [category.name for category in self.categories]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"category {name} is given twice")
        if UNDECIDED in names:
            raise ValueError(f"category {UNDECIDED} is there by itself")
        if all(category.retired for category in self.categories):
            raise ValueError("every category is retired")
        return self

    @property
    def zone(self) -> ZoneInfo:
        """Of times that name none."""
        return ZoneInfo(self.time_zone)

    @property
    def offered(self) -> tuple[Category, ...]:
        """Categories to choose from."""
        return tuple(category for category in self.categories if not category.retired)

    def log_path(self, folder: Path) -> Path:
        """The log file of the site in ``folder``."""
        return folder / self.log


def read_downtime_file(site: Site) -> DowntimeFile:
    """The site's ``downtime.yaml``; without one the whole site is one detector, named as its PV prefix.

    Raises:
        BadInput: it is not what the schema expects, or names a partition that ``logbook.yaml`` does not have; file, line and
            key are in the message.
    """
    path = site.folder / DOWNTIME_FILE
    if not path.exists():
        return DowntimeFile(detectors={site.file.prefix: Detector(hosts=("*",))})
    file = read_yaml(path, DowntimeFile)
    known = read_logbook_file(site).partitions
    for name, detector in file.detectors.items():
        for index, partition in enumerate(detector.run_partitions):
            if partition not in known:
                message = f"{partition} is no partition of {LOGBOOK_FILE}, expected {' or '.join(known)}"
                raise bad_key(path, ("detectors", name, "run_partitions", index), message)
    return file


def partitions_of_runs(detector: Detector, named: str, known: Sequence[str]) -> tuple[str, ...]:
    """Partitions of the run table in which to look for the run that a stop ended.

    A message numbers partitions of the data acquisition, which need not be those of the run table.

    Args:
        detector: that stopped.
        named: partition in the message, empty if it names none.
        known: partitions of ``logbook.yaml``, the default first.
    """
    if detector.run_partitions:
        return detector.run_partitions
    said = (named,) if named else detector.partitions
    return tuple(partition for partition in said if partition in known) or tuple(known[:1])
