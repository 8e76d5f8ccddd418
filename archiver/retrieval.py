"""``/retrieval/data``: samples over HTTP, as the Archiver Appliance serves them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from archiver import requests
from archiver.bins import Interval
from archiver.errors import BadQuery, NothingFound
from archiver.formats import FORMATS, Format, Wanted, gap_meta, gaps_header
from archiver.operators import Processing
from archiver.query import Answer, Budget, ask
from archiver.served import Served
from archiver.value_text import finite_only, value_texts
from sipmdcs.clock import NS


class Retrieval:
    """Handlers of ``/retrieval/data``."""

    def __init__(self, served: Served) -> None:
        self._served = served

    def routes(self) -> list[Route]:
        """Where the handlers answer."""
        return [
            Route("/retrieval/data/getData.{extension}", self.one, methods=["GET"]),
            Route("/retrieval/data/getDataForPVs.{extension}", self.several, methods=["GET", "POST"]),
            Route("/retrieval/data/getDataAtTime", self.at_time, methods=["GET", "POST"]),
        ]

    async def one(self, request: Request) -> Response:
        """``getData.json?pv=&from=&to=``: samples of one PV; 404 where there is none."""
        names = request.query_params.getlist("pv")
        if len(names) > 1:
            raise BadQuery(f"{len(names)} PVs, expected one; getDataForPVs takes several")
        return await self._data(request, names)

    async def several(self, request: Request) -> Response:
        """As ``getData`` for several PVs; one that is not archived fails the whole request, as it does there."""
        posted = await requests.posted_names(request) if request.method == "POST" else []
        names = posted or request.query_params.getlist("pv")
        return await self._data(request, names)

    async def _data(self, request: Request, names: Sequence[str]) -> Response:
        parameters = request.query_params
        form = _format(request.path_params["extension"], len(names))
        named = requests.pv_list(names, parameters.get("pp"))
        interval = requests.interval(parameters, self._served.clock.time_ns())
        answers = await asyncio.to_thread(self._ask, named, interval)
        wanted = Wanted(parameters.get("fetchLatestMetadata") == "true", requests.wants_bare_nan(request.headers))
        headers = gaps_header(answers) if form.gaps_in_head else {}
        return StreamingResponse(_in_a_thread(form.write(answers, wanted)), headers=headers, media_type=form.media_type)

    def _ask(self, wanted: Sequence[tuple[str, Processing]], interval: Interval) -> list[Answer]:
        with self._served.meter.timed():
            return self._ask_all(wanted, interval)

    def _ask_all(self, wanted: Sequence[tuple[str, Processing]], interval: Interval) -> list[Answer]:
        served = self._served
        left = served.budget
        answers: list[Answer] = []
        known: dict[tuple[str, Processing], Answer] = {}
        for name, processing in wanted:
            answer = known.get((name, processing))
            if answer is None:
                answer = known[name, processing] = ask(served.catalogue, served.reader, name, processing, interval, left)
                left = replace(left, request=left.request - answer.read)
                if left.request < 0:
                    most = f"more than {served.budget.request:,} samples to read for {len(wanted):,} PVs"
                    raise BadQuery(f"{most}; ask for fewer PVs or a shorter interval")
            answers.append(answer)
            left = replace(left, answer=max(left.answer - len(answer.samples), 0))
        if not any(len(answer.samples) for answer in answers):
            lost = "" if all(answer.complete for answer in answers) else "; files that may hold some are lost or damaged"
            raise NothingFound(f"{', '.join(name for name, _ in wanted)}: no sample up to then{lost}")
        return answers

    async def at_time(self, request: Request) -> Response:
        """``getDataAtTime?at=``: of each PV named in the body the newest sample at or before that time."""
        names = await requests.posted_names(request)
        if len(names) > requests.MAX_PVS:
            raise BadQuery(f"{len(names):,} PVs in one request, the limit is {requests.MAX_PVS:,}")
        at_ns = requests.moment(request.query_params, "at", self._served.clock.time_ns())
        bare_nan = requests.wants_bare_nan(request.headers)
        return Response(await asyncio.to_thread(self._at, names, at_ns, bare_nan), media_type="application/json")

    def _at(self, names: Sequence[str], at_ns: int, bare_nan: bool) -> str:
        parts: list[str] = []
        for name in dict.fromkeys(names):
            try:
                answer = ask(
                    self._served.catalogue, self._served.reader, name, Processing(), Interval(at_ns, at_ns), Budget(10, 10)
                )
            except NothingFound:
                continue
            if len(answer.samples) and answer.samples.time_ns[0] <= at_ns:
                parts.append(_at_one(name, answer, bare_nan))
        return "{" + ", ".join(parts) + "}"


async def _in_a_thread(pieces: Iterator[str]) -> AsyncIterator[str]:
    while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
        yield piece


def _at_one(name: str, answer: Answer, bare_nan: bool) -> str:
    """The sample, and in ``meta`` since when nothing is known of the PV, if that is so at the time that was asked for."""
    samples = answer.samples
    texts = value_texts(samples, answer.types)
    (text,) = texts if bare_nan else finite_only(texts)
    gap = gap_meta(answer.ends_in)
    tail = f', "meta": {json.dumps(gap)}' if gap else ""
    secs, nanos = divmod(int(samples.time_ns[0]), NS)
    return (
        f'{json.dumps(name)}: {{"secs": {secs}, "nanos": {nanos}, "severity": {samples.severity[0]},'
        f' "status": {samples.status[0]}, "val": {text}{tail}}}'
    )


def _format(extension: str, count: int) -> Format:
    form = FORMATS.get(extension)
    if form is None:
        raise BadQuery(f"format {extension!r}: expected one of {', '.join(FORMATS)}")
    if count > 1 and not form.several:
        raise BadQuery(f"format {extension} holds one PV, {count} are named")
    return form
