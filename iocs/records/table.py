"""The records of a server: those that run, and those that begin to run when they are first looked up."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from iocs.records.load import load_record, load_records
from iocs.records.record import LiveRecord
from sipmdcs.epicsdb import Record

Action = Callable[[LiveRecord], None]


class RecordTable(dict[str, LiveRecord]):
    """The records that run, by name and alias; ``find`` and ``has`` know the others as well.

    Args:
        records: definitions of those that run from the start.
        on_demand: definitions of the others by name, made when asked for; all resemble each other, and none has an alias.

    Raises:
        BadInput: as ``load_records``; of ``on_demand`` only the first is tried.
    """

    def __init__(self, records: Iterable[Record], on_demand: Mapping[str, Record]) -> None:
        super().__init__(load_records(records))
        self.on_start: Action = lambda _: None
        """Called with each record that begins to run on demand."""
        self._on_demand = on_demand
        self._posted: dict[str, Action] = {}
        for name in on_demand.keys() & self.keys():
            raise on_demand[name].bad("", f"{name} is defined twice")
        for name in list(on_demand)[:1]:
            load_record(on_demand[name])

    def count(self) -> int:
        """How many there are, aliases included, running or not."""
        return len(self.keys() | self._on_demand.keys())

    def has(self, name: str) -> bool:
        """Whether there is a record of that name, running or not."""
        return name in self or name in self._on_demand

    def find(self, name: str) -> LiveRecord | None:
        """The record of that name, which runs from now on; ``None`` if there is none."""
        record = self.get(name)
        if record is None and name in self._on_demand:
            record = self[name] = load_record(self._on_demand[name])
            self.on_start(record)
            if (post := self._posted.pop(name, None)) is not None:
                post(record)
        return record

    def peek(self, name: str) -> LiveRecord | None:
        """A record to look at that is as the one of that name, whether or not that runs; any thread may ask."""
        record = self.get(name)
        definition = self._on_demand.get(name) if record is None else None
        return record if definition is None else load_record(definition)

    def post_at_start(self, name: str, post: Action) -> None:
        """Do this to a record that does not run yet as soon as it does; what was to be posted before is forgotten."""
        self._posted[name] = post
