"""The dialect of the CMS OMS aggregation API, under ``/api/v1``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from sipmdcs import __version__
from sipmdcs.remembered import Remembered
from web.asked import Asked, columns
from web.errors import bad_parameter
from web.keptbody import KeptReply
from web.objects import Json, Shaper, identifier, schema_meta, total_meta
from web.oms_request import META, PRESENTATION, OmsRequest
from web.pagelinks import page_links
from web.parameters import Parameter, read_parameters, whole_number
from web.query import MOST_ROWS, NOTHING, Page
from web.reader import Reader
from web.replies import csv_reply, document_reply, rows_reply
from web.resource import Resource
from web.values import iso, json_value, presentation

BASE = "/api/v1"
MEDIA_TYPE = "application/json"

_MOST_PROPOSALS = 1_000


class Oms:
    """Handlers; each may block and raise ``ApiError``."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._remembered = Remembered[tuple[bytes, int, Mapping[str, str]]]()

    def remembered(self, request: Request, version: str | None) -> Response | None:
        """What ``collection`` replied to the same request when its rows were of this version, if it is kept; does not block."""
        kept = self._remembered.get(_key(request), version)
        return None if kept is None else Response(*kept)  # another each time: headers are added to it on its way

    def collection(self, request: Request, resource: Resource, version: str | None) -> Response:
        """``/{resource}``: rows of a page; ``version`` of them was asked for before."""
        parameters, asked = _asked(request, resource)
        with self._reader.page(resource, asked) as page:
            reply = _page(request, resource, parameters, asked, page)
            if not page.moving() and not isinstance(reply, KeptReply):
                self._remembered.keep(_key(request), version, (bytes(reply.body), reply.status_code, dict(reply.headers)))
            return reply

    def one(self, request: Request, resource: Resource, id_: str) -> Response:
        """``/{resource}/{id}``; parameters of pages are taken and change nothing."""
        _, asked = _asked(request, resource)
        row, page = self._reader.one(resource, id_, columns(resource, asked.fields))
        shaper = _shaper(request, resource, asked)
        return document_reply({"data": shaper.shape(row), **_extras(resource, asked, page)}, MEDIA_TYPE)

    def related(self, request: Request, resource: Resource, id_: str, name: str) -> Response:
        """``/{resource}/{id}/{relation}``: the rows it relates to, or the one."""
        relation = self._reader.relation(resource, name)
        target = self._reader.resource(relation.target)
        parameters, asked = _asked(request, target)
        condition = self._reader.condition(resource, id_, relation)
        with nullcontext(NOTHING) if condition is None else self._reader.page(target, asked, condition=condition) as page:
            if relation.many:
                return _page(request, target, parameters, asked, page)
            row = next(iter(page.rows), None)
        data = None if row is None else _shaper(request, target, asked).shape(row)
        return document_reply({"data": data, **_extras(target, asked, page)}, MEDIA_TYPE)

    def relationship(self, request: Request, resource: Resource, id_: str, name: str) -> Response:
        """``/{resource}/{id}/relationships/{relation}``: types and ids of those rows."""
        relation = self._reader.relation(resource, name)
        target = self._reader.resource(relation.target)
        _, asked = _asked(request, target)
        asked = replace(asked, fields=())
        condition = self._reader.condition(resource, id_, relation)
        with nullcontext(NOTHING) if condition is None else self._reader.page(target, asked, condition=condition) as page:
            found = [identifier(target, row) for row in page.rows]
        path = f"{_root(request)}/{resource.name}/{id_}"
        links = {"self": f"{path}/relationships/{name}", "related": f"{path}/{name}"}
        data: Any = found if relation.many else next(iter(found), None)
        return document_reply({"data": data, "links": links, "meta": total_meta(page)}, MEDIA_TYPE)

    def meta(self, resource: Resource) -> Response:
        """``/{resource}/meta``: every attribute of the resource."""
        return document_reply({"meta": schema_meta(resource)}, MEDIA_TYPE)

    def csv(self, request: Request, resource: Resource) -> Response:
        """``/{resource}/csv``: rows as a table; all of them, up to the largest page, unless a page is named."""
        parameters, asked = _asked(request, resource)
        asked = replace(asked, bare=True)
        if not any(item.family == "page" for item in parameters):
            asked = replace(asked, limit=MOST_ROWS)
        names = asked.fields or resource.names
        time = presentation if PRESENTATION in asked.include else iso
        with self._reader.page(resource, asked) as page:
            rows = ([json_value(row.values[name], time) for name in names] for row in page.rows)
            return csv_reply(names, rows, f"{resource.name}.csv")

    def autocomplete(self, request: Request, resource: Resource) -> Response:
        """``/{resource}/autocomplete?filter[items][EQ]=5&filter[attr][CT]=…``: values that ``attr`` has."""
        parameters = read_parameters(request.scope["query_string"])
        items = [item for item in parameters if item.family == "filter" and item.keys[:1] == ("items",)]
        asked = OmsRequest(resource).read([item for item in parameters if item not in items])
        if not asked.filters:
            raise bad_parameter("filter", "is missing: values of which attribute? Expected filter[ATTRIBUTE][CT]=TEXT")
        name = asked.filters[0].attribute
        found = [json_value(value) for value in self._reader.values(resource, asked, name, _items(items))]
        data = [{"type": "autocomplete", "id": str(value), "attributes": {name: value}} for value in found]
        return document_reply({"data": data, "meta": {"totalResourceCount": len(data)}}, MEDIA_TYPE)


def _items(parameters: Sequence[Parameter]) -> int:
    return whole_number(parameters[-1], 1, _MOST_PROPOSALS) if parameters else 10


def _asked(request: Request, resource: Resource) -> tuple[list[Parameter], Asked]:
    parameters = read_parameters(request.scope["query_string"])
    return parameters, OmsRequest(resource).read(parameters)


def _key(request: Request) -> tuple[str, str, bytes]:
    return _root(request), request.scope["path"], request.scope["query_string"]


def _root(request: Request) -> str:
    return f"{request.scope.get('root_path', '')}{BASE}"


def _shaper(request: Request, resource: Resource, asked: Asked) -> Shaper:
    return Shaper(
        resource,
        _root(request),
        resource.names if asked.fields is None else asked.fields,
        resource.relation,
        bare=asked.bare,
        time=presentation if PRESENTATION in asked.include else None,
    )


def _extras(resource: Resource, asked: Asked, page: Page) -> Json:
    meta = total_meta(page)
    if META in asked.include:
        meta |= schema_meta(resource)
    if warnings := [*asked.warnings, *page.warnings]:
        meta["warnings"] = warnings
    return {"meta": meta}


def _page(request: Request, resource: Resource, parameters: list[Parameter], asked: Asked, page: Page) -> Response:
    shaper = _shaper(request, resource, asked)
    links = page_links(request.scope["path"], parameters, asked.offset, asked.limit, page)
    document = {"links": links, **_extras(resource, asked, page)}
    return rows_reply(document, (shaper.shape(row) for row in page.rows), MEDIA_TYPE)


def version(site: str) -> Json:
    """``/version``: of the program, and which installation this is."""
    return {"data": {"type": "version", "id": "1", "attributes": {"version": __version__, "api": "v1", "site": site}}}
