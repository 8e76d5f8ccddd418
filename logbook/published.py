"""Runs as PVs: ``DET:RUN:…`` is the default partition, ``DET:RUN:PARTITION:…`` another."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from logbook.logbookfile import LOGBOOK_FILE, LogbookFile, read_logbook_file
from logbook.run_state import RunState
from sipmdcs.epicsdb import Record, load_template
from sipmdcs.publisher import Value
from sipmdcs.site import Site
from sipmdcs.yamlfile import bad_key

if TYPE_CHECKING:  # every service that reads the names of all records comes here, and SQLAlchemy is 15 MB
    from logbook.present import Present
    from logbook.run import Run

_STATES = (None, *RunState)
"""States in the order of the choices of ``STATE``."""
_LONGEST_NAME = 60
_STRING_BYTES = 39
_MESSAGE_BYTES = 399


class Published:
    """The PVs of all partitions."""

    def __init__(self, prefix: str, file: LogbookFile) -> None:
        """Name them.

        Args:
            prefix: first part of every PV name of the site.
            file: says which partitions there are.
        """
        default, *others = file.partitions
        self.prefixes = {default: f"{prefix}:RUN"} | {name: f"{prefix}:RUN:{name}" for name in others}
        """Prefix of the PVs of each partition."""

    def values(self, present: Present, now: datetime) -> dict[str, Value]:
        """What all of them show."""
        newest = max(present.runs, default=0)
        values: dict[str, Value] = {}
        for partition, prefix in self.prefixes.items():
            run = present.newest_in(partition)
            shown: dict[str, Value] = {"PARTITION": partition, "LAST_NUMBER": newest, **_of_run(run, now)}
            values |= {f"{prefix}:{suffix}": value for suffix, value in shown.items()}
        return values


def partition_records(site: Site) -> list[Record]:
    """Records of all partitions but the default one, whose are in the template files.

    Raises:
        BadInput: ``logbook.yaml`` cannot be used, or names a partition whose PVs would have names that are too long.
    """
    published = Published(site.file.prefix, read_logbook_file(site))
    template = site.find_template("run.template")
    found: list[Record] = []
    for partition, prefix in list(published.prefixes.items())[1:]:
        records = load_template(template, {"R": prefix, "PARTITION": partition, "TYPE": ""})
        if any(len(record.name) > _LONGEST_NAME for record in records):
            raise bad_key(site.folder / LOGBOOK_FILE, ("partitions",), f"{partition} is too long for the names of its PVs")
        found += records
    return found


def _of_run(run: Run | None, now: datetime) -> dict[str, Value]:
    if run is None:
        return {
            "NUMBER": 0,
            "STATE": 0,
            "TYPE": "",
            "DURATION": 0.0,
            "EVENTS": 0,
            "CONFIG_VERSION": 0,
            "OPENED_BY": "",
        }
    return {
        "NUMBER": run.number,
        "STATE": _STATES.index(run.state),
        "TYPE": short_text(run.type),
        "DURATION": max(((run.ended_at or now) - run.opened_at).total_seconds(), 0.0),
        "EVENTS": run.events or 0,
        "CONFIG_VERSION": run.config_version or 0,
        "OPENED_BY": short_text(run.opened_by),
    }


def short_text(text: str) -> str:
    """As much of a text as an EPICS string holds."""
    return text.encode("ascii", "replace")[:_STRING_BYTES].decode()


def long_text(text: str) -> list[int]:
    """A text for an array of characters."""
    return list(text.encode("ascii", "replace")[:_MESSAGE_BYTES] + b"\0")
