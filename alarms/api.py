"""HTTP interface of the alarm service.

``GET /tree?path=``, ``/leaves?since=VERSION`` (those with news since the answer with that ``version``; without one all),
``/active?path=``, ``/acknowledged?path=``, ``/history?of=&pv=&path=&since=&limit=``, ``/pv/NAME``,
``/pages?limit=``, ``/notice/ID``; ``POST /acknowledge`` and ``/unacknowledge`` with
``{"select": ["PATH or PV or pattern", …], "user": "…", "comment": "…"}``; ``POST /test-page`` with
``{"receiver": "…", "user": "…"}``.
Answers are JSON; an error is ``{"error": "one line"}`` with status 400, 404, 415 or 503.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import datetime
from functools import wraps
from http import HTTPStatus
from typing import Annotated, Any

from pydantic import Field
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from alarms.engine import Change
from alarms.handler import Handler
from alarms.level import Level
from alarms.longreply import Replies
from alarms.notifyfile import NotifyFile
from alarms.outbox import Outbox
from alarms.report import iso, leaf_json, nodes_json, rules_json, sorted_alarms
from alarms.state import PvState
from alarms.store import Store
from alarms.tree import NodePath
from alarms.versions import Versions
from sipmdcs.clock import from_datetime
from sipmdcs.errors import BadInput, DcsError
from sipmdcs.http.body import read_model
from sipmdcs.http.errors import exception_handlers
from sipmdcs.yamlfile import Strict

_MOST_ROWS = 10_000

_SIFTED = 20
"""Alarms that are looked at in the time of one row."""

_HIGHEST_NUMBER = 2**63 - 1
"""That a row of SQLite can have."""


class NotThere(DcsError):
    """What was asked for does not exist."""


class Choice(Strict):
    """Body of a request that acts on alarms."""

    select: Annotated[list[str], Field(min_length=1, max_length=_MOST_ROWS)]
    user: str
    comment: str = ""


class TestPage(Strict):
    """Body of a request for a test page."""

    receiver: str
    user: str


Endpoint = Callable[["Api", Request], Awaitable[Any]]


def _answer(endpoint: Endpoint) -> Callable[[Api, Request], Awaitable[Response]]:
    """What ``endpoint`` returns, as JSON."""

    @wraps(endpoint)
    async def answering(self: Api, request: Request) -> Response:
        return JSONResponse(await endpoint(self, request))

    return answering


class Api:
    """The endpoints."""

    def __init__(self, handler: Handler, store: Store, outbox: Outbox, notify: NotifyFile) -> None:
        self._handler = handler
        self._store = store
        self._outbox = outbox
        self._notify = notify
        self._versions = Versions()
        self._replies = Replies()

    def application(self) -> Starlette:
        """All of it as an ASGI application."""
        return Starlette(
            routes=[
                Route("/tree", self.tree),
                Route("/leaves", self.leaves),
                Route("/active", self.active),
                Route("/acknowledged", self.acknowledged),
                Route("/history", self.history),
                Route("/pv/{name:path}", self.pv),
                Route("/pages", self.pages),
                Route("/notice/{number:int}", self.notice),
                Route("/acknowledge", self.acknowledge, methods=["POST"]),
                Route("/unacknowledge", self.unacknowledge, methods=["POST"]),
                Route("/test-page", self.test_page, methods=["POST"]),
            ],
            exception_handlers=dict(exception_handlers({NotThere: HTTPStatus.NOT_FOUND})),
        )

    async def tree(self, request: Request) -> Response:
        path, states = self._path(request), dict(self._handler.alarms.states)
        tree, names, rollup = self._handler.alarms.tree, self._handler.published.names, self._handler.published.rollup.copy()

        def leaves() -> Iterator[dict[str, Any]]:
            yield from (self._leaf(leaf.pv, states) for leaf in tree.below(path))

        lists = {"nodes": nodes_json(tree, path, names, rollup), "leaves": leaves()}
        return await self._replies.document({}, lists, len(tree.nodes) + len(states))

    async def leaves(self, request: Request) -> Response:
        states, since = dict(self._handler.alarms.states), request.query_params.get("since", "")
        version, whole, pvs = await self._replies.work(len(states), self._versions.since, states, since)
        leaves = (self._leaf(pv, states) for pv in pvs)
        return await self._replies.document({"version": version, "whole": whole}, {"leaves": leaves}, len(pvs))

    async def active(self, request: Request) -> Response:
        return await self._listed(request, lambda level: level.active)

    async def acknowledged(self, request: Request) -> Response:
        return await self._listed(request, lambda level: level.is_acknowledged)

    async def history(self, request: Request) -> Response:
        pvs, path = request.query_params.getlist("pv"), self._path(request)
        for pv in pvs:
            self._known(pv)
        if of := request.query_params.get("of"):
            pvs, path = self._meant(of)
        since_ns, limit = _since(request), _limit(request)
        rows = await self._replies.call(self._store.history, pvs=pvs, path=path, since_ns=since_ns, limit=limit)
        return await self._replies.rows(
            (row | {"time": iso(row.pop("time_ns")), "pv_time": iso(row.pop("pv_time_ns"))} for row in rows), len(rows)
        )

    @_answer
    async def pv(self, request: Request) -> Any:
        pv = self._known(request.path_params["name"])
        tree = self._handler.alarms.tree
        leaf = tree.leaves[pv]
        return self._leaf(pv, self._handler.alarms.states) | {"configuration": rules_json(leaf)}

    async def pages(self, request: Request) -> Response:
        rows = await self._replies.call(self._outbox.pages, _limit(request))
        return await self._replies.rows((_page(row) for row in rows), len(rows))

    @_answer
    async def notice(self, request: Request) -> Any:
        number = min(request.path_params["number"], _HIGHEST_NUMBER)
        row = await self._replies.call(self._outbox.page_of, number)
        return {"page": None if row is None else _page(row)}

    async def acknowledge(self, request: Request) -> Response:
        choice = await read_model(request, Choice)
        return await self._acted(await self._handler.acknowledge(choice.select, choice.user, choice.comment))

    async def unacknowledge(self, request: Request) -> Response:
        choice = await read_model(request, Choice)
        return await self._acted(await self._handler.unacknowledge(choice.select, choice.user, choice.comment))

    @_answer
    async def test_page(self, request: Request) -> Any:
        asked = await read_model(request, TestPage)
        if asked.receiver not in self._notify.receivers:
            known = ", ".join(sorted(self._notify.receivers)) or "none"
            raise NotThere(f"receiver {asked.receiver} is not in notify.yaml, which has {known}")
        notice = self._handler.test_notice(asked.receiver, asked.user)
        number = await self._replies.call(self._outbox.queue, notice)
        self._handler.on_notices([asked.receiver])
        return {"notice": number}

    def _leaf(self, pv: str, states: Mapping[str, PvState]) -> dict[str, Any]:
        tree = self._handler.alarms.tree
        leaf = tree.leaves[pv]
        said = leaf_json(leaf, states[pv], self._handler.published.names.leaves[pv])
        return said | {"guidance": tree.guidance(leaf)}

    async def _listed(self, request: Request, wanted: Callable[[Level], bool]) -> Response:
        """All of one moment: states go on changing while threads look at them."""
        leaves, states = self._handler.alarms.tree.leaves, dict(self._handler.alarms.states)
        alarming, path = dict(self._handler.published.rollup.alarming), self._path(request)

        def listed() -> list[str]:
            below = (pv for pv, level in alarming.items() if wanted(level) and leaves[pv].path[: len(path)] == path)
            return sorted_alarms(states, below)

        pvs = await self._replies.work(len(alarming) // _SIFTED, listed)
        return await self._replies.rows((self._leaf(pv, states) for pv in pvs), len(pvs))

    async def _acted(self, changes: list[Change]) -> Response:
        states = dict(self._handler.alarms.states)
        pvs = dict.fromkeys(change.leaf.pv for change in changes)
        return await self._replies.document({}, {"changed": (self._leaf(pv, states) for pv in pvs)}, len(pvs))

    def _known(self, pv: str) -> str:
        if pv not in self._handler.alarms.tree.leaves:
            raise NotThere(f"{pv} is not in the alarm tree")
        return pv

    def _meant(self, name: str) -> tuple[list[str], NodePath]:
        """A PV, or else all below a path: both may hold slashes."""
        tree = self._handler.alarms.tree
        if name in tree.leaves:
            return [name], ()
        path = _parts(name)
        if path not in tree.nodes:
            raise NotThere(f"{name} is neither a PV nor a path in the alarm tree")
        return [], path

    def _path(self, request: Request) -> NodePath:
        path = _parts(request.query_params.get("path", ""))
        if path not in self._handler.alarms.tree.nodes:
            raise NotThere(f"{'/'.join(path)} is no path in the alarm tree")
        return path


def _parts(text: str) -> NodePath:
    return tuple(part for part in text.split("/") if part)


def _since(request: Request) -> int:
    text = request.query_params.get("since")
    if not text:
        return 0
    try:
        return min(max(from_datetime(datetime.fromisoformat(text)), -_HIGHEST_NUMBER), _HIGHEST_NUMBER)
    except (ValueError, OverflowError) as err:
        raise BadInput(f"{text!r} is no time such as 2026-11-21T10:00:00Z", key="since") from err


def _limit(request: Request) -> int:
    text = request.query_params.get("limit", "100")
    number = int(text) if text.isdecimal() and len(text) < 10 else 0
    if not 0 < number <= _MOST_ROWS:
        raise BadInput(f"{text[:40]!r} is not between 1 and {_MOST_ROWS}", key="limit")
    return number


def _page(row: dict[str, Any]) -> dict[str, Any]:
    return row | {
        name.removesuffix("_ns"): iso(row.pop(name)) for name in ("composed_ns", "sent_ns", "cancelled_ns", "dead_ns")
    }
