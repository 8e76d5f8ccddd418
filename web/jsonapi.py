"""JSON:API 1.1 to the letter, under ``/jsonapi/v1``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from web.asked import Asked, columns
from web.errors import bad_parameter
from web.included import Included
from web.jsonapi_request import JsonApiRequest
from web.negotiation import MEDIA_TYPE, VARY, negotiate
from web.objects import Json, Shaper, identifier, total_meta
from web.pagelinks import page_links
from web.parameters import Parameter, read_parameters
from web.query import NOTHING, Filter, Page, Row
from web.reader import MOST_INCLUDED, Reader
from web.replies import document_reply, rows_reply
from web.resource import Resource

BASE = "/jsonapi/v1"
VERSION = {"version": "1.1"}


class JsonApi:
    """Handlers; each may block and raise ``ApiError``."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def collection(self, request: Request, resource: Resource) -> Response:
        """``/{resource}``: rows of a page."""
        parameters, reading, asked = self._asked(request, resource)
        with self._rows(resource, reading, asked) as page:
            return self._page(request, resource, parameters, reading, asked, page)

    def one(self, request: Request, resource: Resource, id_: str) -> Response:
        """``/{resource}/{id}``."""
        _, reading, asked = self._asked(request, resource, collection=False)
        row, page = self._reader.one(resource, id_, columns(resource, asked.fields, _also(resource, reading)))
        return self._single(request, resource, reading, asked, row, page)

    def related(self, request: Request, resource: Resource, id_: str, name: str) -> Response:
        """``/{resource}/{id}/{relation}``: the rows it relates to, or the one, or null."""
        relation = self._reader.relation(resource, name)
        target = self._reader.resource(relation.target)
        parameters, reading, asked = self._asked(request, target, collection=relation.many)
        condition = self._reader.condition(resource, id_, relation)
        with nullcontext(NOTHING) if condition is None else self._rows(target, reading, asked, condition) as page:
            if relation.many:
                return self._page(request, target, parameters, reading, asked, page)
            row = next(iter(page.rows), None)
        return self._single(request, target, reading, asked, row, page)

    def relationship(self, request: Request, resource: Resource, id_: str, name: str) -> Response:
        """``/{resource}/{id}/relationships/{relation}``: types and ids of those rows."""
        relation = self._reader.relation(resource, name)
        target = self._reader.resource(relation.target)
        parameters, reading, asked = self._asked(request, target, collection=relation.many)
        if reading.include is not None:
            raise bad_parameter(
                "include", f"the relationship itself includes nothing; ask {_root(request)}/{resource.name}/{id_}/{name}"
            )
        condition = self._reader.condition(resource, id_, relation)
        asked = replace(asked, fields=())
        with nullcontext(NOTHING) if condition is None else self._reader.page(target, asked, condition=condition) as page:
            found = [identifier(target, row) for row in page.rows]
        path = f"{_root(request)}/{resource.name}/{id_}"
        links = {"self": f"{path}/relationships/{name}", "related": f"{path}/{name}"}
        if not relation.many:
            return _reply({"data": next(iter(found), None), "links": links} | _meta(page))
        links |= page_links(links["self"], parameters, asked.offset, asked.limit, page)
        return _reply({"data": found, "links": links} | _meta(page))

    def _asked(
        self, request: Request, resource: Resource, *, collection: bool = True
    ) -> tuple[list[Parameter], JsonApiRequest, Asked]:
        negotiate(request.headers)
        parameters = read_parameters(request.scope["query_string"])
        reading = JsonApiRequest(self._reader, resource)
        return parameters, reading, reading.read(parameters, collection=collection)

    def _rows(
        self, resource: Resource, reading: JsonApiRequest, asked: Asked, condition: Filter | None = None
    ) -> AbstractContextManager[Page]:
        """Rows of a page; in memory if others are looked up for them, so that nothing is open meanwhile."""
        also = _also(resource, reading)
        if reading.include is None:
            return self._reader.page(resource, asked, also, condition)
        return nullcontext(self._reader.whole_page(resource, asked, MOST_INCLUDED, also, condition))

    def _included(self, request: Request, resource: Resource, reading: JsonApiRequest, rows: Sequence[Row]) -> Included | None:
        if reading.include is None:
            return None
        included = Included(self._reader, _root(request), reading.fields)
        included.follow(resource, rows, reading.include)
        return included

    def _page(
        self,
        request: Request,
        resource: Resource,
        parameters: list[Parameter],
        reading: JsonApiRequest,
        asked: Asked,
        page: Page,
    ) -> Response:
        shaper = _shaper(request, resource, reading, asked)
        links = page_links(request.scope["path"], parameters, asked.offset, asked.limit, page)
        document: Json = {"links": links} | _meta(page)
        if reading.include is None:
            rows = (shaper.shape(row) for row in page.rows)
        else:
            found = [*page.rows]
            included = self._included(request, resource, reading, found)
            document |= _compound(included, resource, found)
            rows = (shaper.shape(row, included.linkage(resource, row) if included else None) for row in found)
        return rows_reply(document | {"jsonapi": VERSION}, rows, MEDIA_TYPE, VARY)

    def _single(
        self, request: Request, resource: Resource, reading: JsonApiRequest, asked: Asked, row: Row | None, page: Page
    ) -> Response:
        rows = [] if row is None else [row]
        included = self._included(request, resource, reading, rows)
        shaper = _shaper(request, resource, reading, asked)
        data = None if row is None else shaper.shape(row, included.linkage(resource, row) if included else None)
        document: Json = {"data": data, "links": {"self": request.scope["path"]}} | _compound(included, resource, rows)
        if page.warnings:
            document["meta"] = {"warnings": list(page.warnings)}
        return _reply(document)


def _reply(document: Mapping[str, Any]) -> Response:
    return document_reply({**document, "jsonapi": VERSION}, MEDIA_TYPE, headers=VARY)


def _root(request: Request) -> str:
    return f"{request.scope.get('root_path', '')}{BASE}"


def _also(resource: Resource, reading: JsonApiRequest) -> tuple[str, ...]:
    return tuple(resource.relation[name].ours for name in reading.include or ())


def _shaper(request: Request, resource: Resource, reading: JsonApiRequest, asked: Asked) -> Shaper:
    chosen: Iterable[str] | None = reading.fields.get(resource.name)
    relations = [name for name in resource.relation if chosen is None or name in chosen]
    return Shaper(resource, _root(request), resource.names if asked.fields is None else asked.fields, relations)


def _compound(included: Included | None, resource: Resource, rows: Sequence[Row]) -> Json:
    return {} if included is None else {"included": included.objects(resource, rows)}


def _meta(page: Page) -> Json:
    meta = total_meta(page)
    if page.warnings:
        meta["warnings"] = list(page.warnings)
    return {"meta": meta}
