"""``/retrieval/bpl`` and ``/mgmt/bpl``: what is archived and how it does, as the Archiver Appliance tells it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from archiver import pv_report, requests
from archiver.catalogue import ArchivedPv
from archiver.errors import BadQuery, NothingFound
from archiver.names import DEFAULT_LIMIT, matching
from archiver.operators import plain_name
from archiver.replies import json_reply
from archiver.served import Served
from sipmdcs import __version__


class Bpl:
    """Handlers about PVs and the appliance."""

    def __init__(self, served: Served) -> None:
        self._served = served
        self._started = served.clock.monotonic()

    def routes(self) -> list[Route]:
        """Where the handlers answer."""
        get: Mapping[str, Callable[[Request], Response]] = {
            "/retrieval/ping": self.ping,
            "/retrieval/bpl/getVersion": self.version,
            "/retrieval/bpl/getMatchingPVs": self.matching_pvs,
            "/retrieval/bpl/searchForPVsRegex": self.search,
            "/retrieval/bpl/getMetadata": self.metadata,
            "/retrieval/bpl/areWeArchivingPV": self.is_archived,
            "/mgmt/bpl/getAllPVs": self.matching_pvs,
            "/mgmt/bpl/getPVTypeInfo": self.type_info,
            "/mgmt/bpl/getPVDetails": self.details,
            "/mgmt/bpl/getApplianceInfo": self.appliance,
            "/mgmt/bpl/getAppliancesInCluster": self.appliances,
            "/mgmt/bpl/getVersions": self.versions,
            "/mgmt/bpl/getInstanceMetrics": self.metrics,
        }
        return [
            *(Route(path, _in_a_thread(handler), methods=["GET"]) for path, handler in get.items()),
            Route("/mgmt/bpl/getPVStatus", self.status, methods=["GET", "POST"]),
            Route("/retrieval/bpl/filterArchivedPVs", self.archived, methods=["POST"]),
            Route("/mgmt/bpl/archivedPVs", self.archived, methods=["POST"]),
            Route("/mgmt/bpl/unarchivedPVs", self.unarchived, methods=["POST"]),
            Route("/mgmt/bpl/compactLog", _in_a_thread(self.compact), methods=["POST"]),
        ]

    def ping(self, request: Request) -> Response:
        """That we are here."""
        return PlainTextResponse("pong\n")

    def version(self, request: Request) -> Response:
        """Version of the retrieval part."""
        return json_reply({"retrieval_version": f"sipmdcs {__version__}"})

    def versions(self, request: Request) -> Response:
        """Version of each part, all of them one program here."""
        return json_reply({f"{part}_version": f"sipmdcs {__version__}" for part in ("mgmt", "engine", "etl", "retrieval")})

    def matching_pvs(self, request: Request) -> Response:
        """Names that match a glob or a regular expression, 500 unless more are asked for."""
        parameters = request.query_params
        with self._served.catalogue.names() as names:
            found = matching(names, parameters, requests.limit(parameters, DEFAULT_LIMIT))
        return json_reply(found)

    def search(self, request: Request) -> Response:
        """Names that match a regular expression, one a line."""
        if "regex" not in request.query_params:
            raise BadQuery("expected regex=")
        with self._served.catalogue.names() as names:
            found = matching(names, {"regex": request.query_params["regex"]}, -1)
        return PlainTextResponse("".join(f"{name}\n" for name in found))

    def metadata(self, request: Request) -> Response:
        """What a PV says about itself."""
        pv = self._pv(request)
        return json_reply({"pvName": pv.name, "DBRType": pv_report.type_name(pv), **pv.metadata})

    def is_archived(self, request: Request) -> Response:
        """Whether a PV is archived now."""
        pv = self._served.catalogue.pv(plain_name(request.query_params.get("pv", "")))
        return json_reply({"status": str(pv is not None and pv.active).lower()})

    def type_info(self, request: Request) -> Response:
        """How a PV is archived."""
        pv = self._pv(request)
        up_s = self._served.clock.monotonic() - self._started
        return json_reply(pv_report.type_info(pv, self._served.activity(pv.name), up_s))

    def details(self, request: Request) -> Response:
        """Status and type of a PV once more, as a table."""
        pv = self._pv(request)
        activity = self._served.activity(pv.name)
        facts = {**pv_report.type_info(pv, activity, self._served.clock.monotonic() - self._started)}
        facts |= pv_report.status(pv, activity)
        rows = {key: value for key, value in facts.items() if isinstance(value, str)}
        return json_reply([{"name": key, "value": value, "source": pv_report.APPLIANCE} for key, value in rows.items()])

    async def archived(self, request: Request) -> Response:
        """Those of the names in the body that are archived now."""
        return json_reply([name for name, active in await self._asked_for(request) if active])

    async def unarchived(self, request: Request) -> Response:
        """Those of the names in the body that are not archived now."""
        return json_reply([name for name, active in await self._asked_for(request) if not active])

    async def _asked_for(self, request: Request) -> list[tuple[str, bool]]:
        names = await requests.posted_names(request)
        active = {pv.name for pv in await asyncio.to_thread(self._served.catalogue.pvs) if pv.active}
        return [(name, name in active) for name in dict.fromkeys(names)]

    async def status(self, request: Request) -> Response:
        """How PVs do: names or globs, comma separated or in the body."""
        posted = await requests.posted_names(request) if request.method == "POST" else []
        wanted = posted or [name for name in request.query_params.get("pv", "*").split(",") if name.strip()]
        return json_reply(await asyncio.to_thread(self._statuses, wanted))

    def _statuses(self, wanted: list[str]) -> list[dict[str, str]]:
        known = {pv.name: pv for pv in self._served.catalogue.pvs()}
        found: dict[str, dict[str, str]] = {}
        for text in wanted:
            name = plain_name(text)
            names = matching(known, {"pv": name}, -1) if any(char in name for char in "*?[") else [name]
            for each in names:
                pv = known.get(each)
                found[each] = pv_report.status(pv, self._served.activity(each)) if pv else pv_report.not_archived(each)
        return list(found.values())

    def appliance(self, request: Request) -> Response:
        """Where the parts answer, all of them here."""
        return json_reply(_appliance(request))

    def appliances(self, request: Request) -> Response:
        """The one appliance of this cluster."""
        return json_reply([_appliance(request)])

    def metrics(self, request: Request) -> Response:
        """Key figures of this service, as texts."""
        figures = {key: str(value) for key, value in self._served.figures().items()}
        return json_reply([{"instance": pv_report.APPLIANCE, **figures}])

    def compact(self, request: Request) -> Response:
        """Have the log compacted now; our own addition."""
        self._served.compact()
        return json_reply({"status": "ok"})

    def _pv(self, request: Request) -> ArchivedPv:
        name = plain_name(request.query_params.get("pv", ""))
        pv = self._served.catalogue.pv(name)
        if pv is None:
            raise NothingFound(f"{name}: is not archived")
        return pv


def _in_a_thread(handler: Callable[[Request], Response]) -> Callable[[Request], Awaitable[Response]]:
    """As Starlette does by itself, with half the work on the way there and back."""

    async def endpoint(request: Request) -> Response:
        return await asyncio.to_thread(handler, request)

    return endpoint


def _appliance(request: Request) -> dict[str, str]:
    base = str(request.base_url).rstrip("/")
    return {
        "identity": pv_report.APPLIANCE,
        "mgmtURL": f"{base}/mgmt/bpl",
        "engineURL": f"{base}/engine/bpl",
        "etlURL": f"{base}/etl/bpl",
        "retrievalURL": f"{base}/retrieval/bpl",
        "dataRetrievalURL": f"{base}/retrieval",
        "clusterInetPort": "",
        "version": __version__,
    }
