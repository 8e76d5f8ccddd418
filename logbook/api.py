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
``GET /health``                     database, spool, open runs
==================================  =======================================================================================

Bodies and answers are JSON; an error is ``{"error": "one line"}`` with status 400 (bad input), 404 (no such run), 409 (does not
go with how things stand), 413 (too large) or 503 (database or disk).
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import NoReturn, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from logbook import view
from logbook.desk import Desk
from logbook.refusals import Conflict, NotThere
from logbook.requests import BeatRequest, MoveRequest, NoteRequest, OpenRequest, SummaryRequest
from logbook.run import Run, run_json
from logbook.run_query import bad_value, run_filter
from logbook.run_state import Command
from sipmdcs.errors import BadInput, DcsError, ServiceError
from sipmdcs.http_body_limit import BodyLimit

LARGEST_BODY = 256_000
"""Bytes."""
_LARGEST_NUMBER = 2**31 - 1

_log = logging.getLogger(__name__)

Body = TypeVar("Body", bound=BaseModel)
Endpoint = Callable[["Api", Request], Awaitable[Response]]


def status_of(err: DcsError) -> int:
    """HTTP status of an error."""
    if isinstance(err, NotThere):
        return 404
    if isinstance(err, Conflict):
        return 409
    return 503 if isinstance(err, ServiceError) else 400


def _answer(endpoint: Endpoint) -> Endpoint:
    """What ``endpoint`` answers, its errors as status and one line."""

    @wraps(endpoint)
    async def answering(self: Api, request: Request) -> Response:
        try:
            return await endpoint(self, request)
        except DcsError as err:
            return JSONResponse({"error": str(err)}, status_of(err))

    return answering


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

    def application(self) -> Starlette:
        """All of it as an ASGI application."""
        return Starlette(
            routes=[
                Route("/health", self.health),
                Route("/runs", self.runs, methods=["GET"]),
                Route("/runs", self.open, methods=["POST"]),
                Route("/runs/{number}", self.run),
                Route("/runs/{number}/slow_control", self.slow_control),
                Route("/runs/{number}/heartbeat", self.heartbeat, methods=["POST"]),
                Route("/runs/{number}/remarks", self.note, methods=["POST"]),
                Route("/runs/{number}/summarise", self.summarise, methods=["POST"]),
                Route("/runs/{number}/{command}", self.move, methods=["POST"]),
            ],
            exception_handlers={HTTPException: _not_served},
            middleware=[Middleware(BodyLimit, limit=LARGEST_BODY)],
        )

    @_answer
    async def health(self, _request: Request) -> Response:
        """How the service is."""
        present = self._desk.present
        return JSONResponse(
            {
                "database": self._desk.database_answers,
                "spooled": await asyncio.to_thread(len, self._desk.spool),
                "reserved_numbers": len(present.reserved),
                "open_runs": [run_json(run) for run in present.runs.values() if run.state.is_open],
                "partitions": list(self._desk.file.partitions),
                "types": list(self._desk.file.types),
            }
        )

    @_answer
    async def runs(self, request: Request) -> Response:
        """Runs that match the filters."""
        wanted = run_filter(_parameters(request))
        return JSONResponse(await asyncio.to_thread(view.listed, self._desk, wanted))

    @_answer
    async def run(self, request: Request) -> Response:
        """One run."""
        _no_parameters(request)
        return JSONResponse(await asyncio.to_thread(view.shown, self._desk, _number(request)))

    @_answer
    async def slow_control(self, request: Request) -> Response:
        """What the chosen PVs did during a run."""
        _no_parameters(request)
        return JSONResponse(await asyncio.to_thread(view.slow_control, self._desk, _number(request)))

    @_answer
    async def open(self, request: Request) -> Response:
        """Open a run: 201, or 200 if the request was made before."""
        asked = await _body(request, OpenRequest)
        answer = await asyncio.to_thread(self._desk.open, asked, "http")
        return self._done(answer.run, 201 if answer.done else 200)

    @_answer
    async def move(self, request: Request) -> Response:
        """Bring a run into another state."""
        number = _number(request)
        try:
            command = Command(request.path_params["command"])
        except ValueError:
            raise NotThere(f"expected one of {', '.join(Command)}, heartbeat, remarks or summarise after the number") from None
        asked = await _body(request, MoveRequest)
        answer = await asyncio.to_thread(self._desk.move, number, command, asked, "http")
        return self._done(answer.run)

    @_answer
    async def heartbeat(self, request: Request) -> Response:
        """A sign of life."""
        number = _number(request)
        asked = await _body(request, BeatRequest)
        return self._done(await asyncio.to_thread(self._desk.beat, number, asked))

    @_answer
    async def note(self, request: Request) -> Response:
        """A remark."""
        number = _number(request)
        asked = await _body(request, NoteRequest)
        return self._done(await asyncio.to_thread(self._desk.note, number, asked), 201)

    @_answer
    async def summarise(self, request: Request) -> Response:
        """Have the slow control of a run summarised again."""
        number = _number(request)
        asked = await _body(request, SummaryRequest)
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


async def _body(request: Request, schema: type[Body]) -> Body:
    # Browsers send this type to another origin only if that allows it, so no web page can end a run behind a user's back.
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise BadInput("content type is not application/json")
    try:
        content = json.loads((await request.body()).decode(), parse_constant=_no_constant)
    except RecursionError as err:
        raise BadInput("body is nested too deeply") from err
    except ValueError as err:
        raise BadInput(f"body is not JSON: {err}") from err
    try:
        return schema.model_validate(content)
    except ValidationError as err:
        raise bad_value(err) from err


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON")


async def _not_served(_request: Request, err: Exception) -> Response:
    status = err.status_code if isinstance(err, HTTPException) else 500
    text = err.detail if isinstance(err, HTTPException) else str(err)
    return JSONResponse({"error": text.lower()}, status)
