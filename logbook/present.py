"""The present state of the run table on local disk, so that runs go on while the database is away.

One small file, replaced as a whole: runs that are open and the newest that are not, numbers reserved for runs to come, and
which number was given to which request before anybody heard of it.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from logbook.configuration_used import NOTHING_PUSHED, ConfigurationUsed
from logbook.run import Run, iso, run_of, whole_json
from sipmdcs.durable import write_durably
from sipmdcs.errors import ServiceError

_CLOSED_KEPT = 20
"""Runs kept after their end, so that a repeated request finds them."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Present:
    """What is known without the database."""

    runs: Mapping[int, Run] = field(default_factory=dict)
    reserved: tuple[int, ...] = ()
    """Numbers taken from the counter and given to nobody yet, in order."""
    promised: Mapping[str, int] = field(default_factory=dict)
    """Numbers by request key, while it is not certain whether their runs were stored."""
    seen: Mapping[int, datetime] = field(default_factory=dict)
    """When the data acquisition of an open run last showed itself."""
    configuration: ConfigurationUsed = NOTHING_PUSHED
    """What was on the detector when the database last answered."""

    def open_in(self, partition: str) -> Run | None:
        """The open run of a partition."""
        return next((run for run in self.runs.values() if run.partition == partition and run.state.is_open), None)

    def newest_in(self, partition: str) -> Run | None:
        """The open run of a partition, else its newest one."""
        return self.open_in(partition) or max(
            (run for run in self.runs.values() if run.partition == partition), key=lambda run: run.number, default=None
        )

    def of_key(self, request_key: str) -> Run | None:
        """The run that a request opened."""
        return next((run for run in self.runs.values() if run.request_key == request_key), None)

    def promise(self, request_key: str) -> tuple[Present, int]:
        """Give a number to a request; the same one as before if it asks again.

        Raises:
            ServiceError: none is left.
        """
        if request_key in self.promised:
            return self, self.promised[request_key]
        if not self.reserved:
            raise ServiceError("no run number is left, and the database, which gives them out, cannot be reached")
        number, *rest = self.reserved
        return replace(self, reserved=tuple(rest), promised={**self.promised, request_key: number}), number

    def keep(self, run: Run, seen: datetime | None = None) -> Present:
        """With ``run`` as it is now; it is stored, or certain to be."""
        runs = {**self.runs, run.number: run}
        closed = sorted(number for number, each in runs.items() if not each.state.is_open)
        for number in closed[:-_CLOSED_KEPT]:
            del runs[number]
        times = {**self.seen, **({run.number: seen} if seen is not None else {})}
        return replace(
            self,
            runs=runs,
            reserved=tuple(number for number in self.reserved if number != run.number),
            promised={key: number for key, number in self.promised.items() if key != run.request_key},
            seen={number: at for number, at in times.items() if number in runs and runs[number].state.is_open},
        )

    def forget(self, number: int) -> Present:
        """Without the promise of a number: nobody gets it."""
        return replace(self, promised={key: each for key, each in self.promised.items() if each != number})

    def without(self, number: int) -> Present:
        """Without a run that the database does not know."""
        runs = {each: run for each, run in self.runs.items() if each != number}
        return replace(self, runs=runs, seen={each: at for each, at in self.seen.items() if each in runs})


def read_present(path: Path) -> Present:
    """What the file says; nothing if there is none, or it cannot be read, which is logged: the database knows it too."""
    try:
        content = json.loads(path.read_text("utf-8"))
        return Present(
            runs={run.number: run for run in map(run_of, content["runs"])},
            reserved=tuple(content["reserved"]),
            promised=content["promised"],
            seen={int(number): datetime.fromisoformat(at) for number, at in content["seen"].items()},
            configuration=ConfigurationUsed(**content["configuration"]),
        )
    except FileNotFoundError:
        return Present()
    except (OSError, KeyError, TypeError, ValueError, AttributeError) as err:
        _log.error("%s: cannot be used, the database will tell: %s", path, err)
        return Present()


def write_present(path: Path, present: Present) -> None:
    """Replace the file; it is on the disk when this returns.

    Raises:
        ServiceError: the disk does not take it.
    """
    content: dict[str, Any] = {
        "runs": [whole_json(run) for run in present.runs.values()],
        "reserved": present.reserved,
        "promised": dict(present.promised),
        "seen": {str(number): iso(at) for number, at in present.seen.items()},
        "configuration": asdict(present.configuration),
    }
    try:
        write_durably(path, json.dumps(content))
    except OSError as err:
        raise ServiceError(f"{path}: cannot keep the present state of runs: {err.strerror}") from err
