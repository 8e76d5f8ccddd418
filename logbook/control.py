"""The run table as the command line sees it: through the service where it runs, else at the desk itself.

Both speak the JSON of the service.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import ValidationError

from logbook import view
from logbook.client import LogbookClient
from logbook.desk import Desk, open_desk
from logbook.logbookfile import LogbookFile, read_logbook_file
from logbook.requests import MoveRequest, NoteRequest, OpenRequest, SummaryRequest
from logbook.run import run_json
from logbook.run_query import run_filter
from logbook.run_state import Command
from sipmdcs.clock import SystemClock
from sipmdcs.http.client import NotRunning
from sipmdcs.site import Site
from sipmdcs.spool import Spool
from sipmdcs.validation import bad_value


class Control(Protocol):
    """What commands do."""

    def open(self, body: Mapping[str, Any]) -> Any:
        """As ``POST /runs``."""
        ...

    def move(self, number: int, command: Command, body: Mapping[str, Any]) -> Any:
        """As ``POST /runs/N/COMMAND``."""
        ...

    def note(self, number: int, body: Mapping[str, Any]) -> Any:
        """As ``POST /runs/N/remarks``."""
        ...

    def summarise(self, number: int, body: Mapping[str, Any]) -> Any:
        """As ``POST /runs/N/summarise``."""
        ...

    def runs(self, filters: Mapping[str, str]) -> list[Any]:
        """As ``GET /runs``."""
        ...

    def run(self, number: int) -> Any:
        """As ``GET /runs/N``."""
        ...

    def stored(self) -> bool:
        """Whether everything is in the database; if not it waits on the disk."""
        ...


@dataclass(frozen=True, slots=True)
class ByService:
    """Asks the service."""

    client: LogbookClient

    def open(self, body: Mapping[str, Any]) -> Any:
        return self.client.post("/runs", body)

    def move(self, number: int, command: Command, body: Mapping[str, Any]) -> Any:
        return self.client.post(f"/runs/{number}/{command}", body)

    def note(self, number: int, body: Mapping[str, Any]) -> Any:
        return self.client.post(f"/runs/{number}/remarks", body)

    def summarise(self, number: int, body: Mapping[str, Any]) -> Any:
        return self.client.post(f"/runs/{number}/summarise", body)

    def runs(self, filters: Mapping[str, str]) -> list[Any]:
        return self.client.get("/runs", filters)

    def run(self, number: int) -> Any:
        return self.client.get(f"/runs/{number}")

    def stored(self) -> bool:
        return self.client.get("/health")["spooled"] == 0


@dataclass(frozen=True, slots=True)
class ByDesk:
    """Does it itself, each time for a moment only."""

    site: Site
    file: LogbookFile

    def open(self, body: Mapping[str, Any]) -> Any:
        asked = _checked(OpenRequest, body)
        with self._desk() as desk:
            return run_json(_tended(desk).open(asked, "command").run)

    def move(self, number: int, command: Command, body: Mapping[str, Any]) -> Any:
        asked = _checked(MoveRequest, body)
        with self._desk() as desk:
            return run_json(_tended(desk).move(number, command, asked, "command").run)

    def note(self, number: int, body: Mapping[str, Any]) -> Any:
        asked = _checked(NoteRequest, body)
        with self._desk() as desk:
            return run_json(_tended(desk).note(number, asked))

    def summarise(self, number: int, body: Mapping[str, Any]) -> Any:
        from logbook.archive import Archive  # with numpy, which other commands do not need
        from logbook.summariser import Summariser

        _checked(SummaryRequest, body)
        with self._desk() as desk:
            archive = Archive(self.site.file.archiver)
            return run_json(Summariser(_tended(desk).store, archive, self.file, SystemClock()).again(number))

    def runs(self, filters: Mapping[str, str]) -> list[Any]:
        with self._desk() as desk:
            return view.listed(_tended(desk), run_filter(filters))

    def run(self, number: int) -> Any:
        with self._desk() as desk:
            return view.shown(_tended(desk), number)

    def stored(self) -> bool:
        return len(Spool(self.site.spool_folder("logbook"))) == 0

    def _desk(self) -> Any:
        return open_desk(self.site, self.file, SystemClock())


def control_of(site: Site) -> Control:
    """The service if it answers, else the desk.

    Raises:
        BadInput: ``logbook.yaml`` cannot be used.
        ServiceError: something else answers where the service should.
    """
    client = LogbookClient(site)
    try:
        client.get("/health")
    except NotRunning:
        return ByDesk(site, read_logbook_file(site))
    return ByService(client)


def _tended(desk: Desk) -> Desk:
    desk.tend()
    return desk


def _checked(schema: Any, body: Mapping[str, Any]) -> Any:
    try:
        return schema.model_validate(body)
    except ValidationError as err:
        raise bad_value(err) from err
