"""HTTP interface of the logbook service.

==================================  =======================================================================================
``POST /runs``                      open a run: ``request_key``, ``partition``, ``type``, ``who``, and if wanted ``facts``,
                                    ``owner``, ``at``, ``replace``; the same key again gives the same run
``POST /runs/N/COMMAND``            ``start``, ``pause``, ``resume``, ``end``, ``abort``: ``who``, and if wanted ``reason``,
                                    ``events``, ``facts``, ``at``
``POST /runs/N/heartbeat``          the data acquisition lives: ``who``, and if wanted ``events``
``POST /runs/N/remarks``            say something: ``value``, ``who``, and if wanted ``field``
``POST /runs/N/summarise``          make the summary of its slow control again: ``who``
``GET /runs``                       the newest first; filters as in ``RunFilter``
``GET /runs/N``                     one, with remarks and transitions
``GET /runs/N/slow_control``        what the chosen PVs did during it
``GET /health``                     database, spool, open runs, as they were known last
==================================  =======================================================================================

Bodies and answers are JSON; an error is ``{"error": "one line"}`` with status 400 (bad input), 404 (no such run), 409 (does not
go with how things stand), 413 (too large), 415 (not JSON) or 503 (database or disk). ``/health`` is answered by the edge.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from logbook import view
from logbook.desk import Desk
from logbook.refusals import Conflict, NotThere
from logbook.requests import BeatRequest, MoveRequest, NoteRequest, OpenRequest, SummaryRequest
from logbook.run import Run, run_json
from logbook.run_query import run_filter
from logbook.run_state import Command
from sipmdcs.errors import BadInput
from sipmdcs.http.body import read_model
from sipmdcs.http.errors import JSON_TYPE, exception_handlers
from sipmdcs.remembered import Remembered

MAX_BODY = 256_000
"""Bytes."""
_MAX_REMEMBERED = 65_536
"""Bytes of a list of runs that is kept to be sent again."""
_LARGEST_NUMBER = 2**31 - 1
_STATUSES = {NotThere: HTTPStatus.NOT_FOUND, Conflict: HTTPStatus.CONFLICT}

_log = logging.getLogger(__name__)


class Api:
    """The endpoints."""

    def __init__(self, desk: Desk, summarise: Callable[[int], Run], changed: Callable[[], None]) -> None:
        """Answer for ``desk``.

        Args:
            desk: does the work.
            summarise: has a run summarised again.
            changed: called in the event loop when a run was changed.
        """
        self._desk = desk
        self._summarise = summarise
        self._changed = changed
        self._remembered = Remembered[bytes]()

    def application(self) -> Starlette:
        """All of it as an ASGI application."""
        return Starlette(
            routes=[
                Route("/runs", self.runs, methods=["GET"]),
                Route("/runs", self.open, methods=["POST"]),
                Route("/runs/{number}", self.run),
                Route("/runs/{number}/slow_control", self.slow_control),
                Route("/runs/{number}/heartbeat", self.heartbeat, methods=["POST"]),
                Route("/runs/{number}/remarks", self.note, methods=["POST"]),
                Route("/runs/{number}/summarise", self.summarise, methods=["POST"]),
                Route("/runs/{number}/{command}", self.move, methods=["POST"]),
            ],
            exception_handlers=dict(exception_handlers(_STATUSES)),
        )

    async def runs(self, request: Request) -> Response:
        """Runs that match the filters."""
        wanted, question = run_filter(_parameters(request)), request.scope["query_string"]
        version = await self._desk.store.version() if self._desk.database_answers else None
        body = self._remembered.get(question, version)
        if body is None:
            rows = view.listed if version is None else view.stored
            body = await asyncio.to_thread(lambda: bytes(JSONResponse(rows(self._desk, wanted)).body))
            if len(body) <= _MAX_REMEMBERED:
                self._remembered.keep(question, version, body)
        return Response(body, media_type=JSON_TYPE)

    async def run(self, request: Request) -> Response:
        """One run."""
        _no_parameters(request)
        return JSONResponse(await asyncio.to_thread(view.shown, self._desk, _number(request)))

    async def slow_control(self, request: Request) -> Response:
        """What the chosen PVs did during a run."""
        _no_parameters(request)
        return JSONResponse(await asyncio.to_thread(view.slow_control, self._desk, _number(request)))

    async def open(self, request: Request) -> Response:
        """Open a run: 201, or 200 if the request was made before."""
        asked = await read_model(request, OpenRequest)
        answer = await asyncio.to_thread(self._desk.open, asked, "http")
        return self._done(answer.run, 201 if answer.done else 200)

    async def move(self, request: Request) -> Response:
        """Bring a run into another state."""
        number = _number(request)
        try:
            command = Command(request.path_params["command"])
        except ValueError:
            raise NotThere(f"expected one of {', '.join(Command)}, heartbeat, remarks or summarise after the number") from None
        asked = await read_model(request, MoveRequest)
        answer = await asyncio.to_thread(self._desk.move, number, command, asked, "http")
        return self._done(answer.run)

    async def heartbeat(self, request: Request) -> Response:
        """A sign of life."""
        number = _number(request)
        asked = await read_model(request, BeatRequest)
        return self._done(await asyncio.to_thread(self._desk.beat, number, asked))

    async def note(self, request: Request) -> Response:
        """A remark."""
        number = _number(request)
        asked = await read_model(request, NoteRequest)
        return self._done(await asyncio.to_thread(self._desk.note, number, asked), 201)

    async def summarise(self, request: Request) -> Response:
        """Have the slow control of a run summarised again."""
        number = _number(request)
        asked = await read_model(request, SummaryRequest)
        run = await asyncio.to_thread(self._summarise, number)
        _log.info("run %d: %s asks for its summary", number, asked.who)
        return self._done(run)

    def _done(self, run: Run, status: int = 200) -> Response:
        self._changed()
        return JSONResponse(run_json(run), status)


def _number(request: Request) -> int:
    text = request.path_params["number"]
    if not (text.isascii() and text.isdecimal() and len(text) <= 10 and 0 < int(text) <= _LARGEST_NUMBER):
        raise NotThere(f"{text[:40]!r} is no run number")
    return int(text)


def _parameters(request: Request) -> dict[str, str]:
    given = request.query_params.multi_items()
    found = dict(given)
    if len(found) < len(given):
        raise BadInput("a parameter is given twice")
    return found


def _no_parameters(request: Request) -> None:
    if request.query_params:
        raise BadInput("expected no parameters")
