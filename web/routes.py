"""Routes of both dialects for every resource. Fixed names come before ids."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from web import openapi
from web.dispatch import Dispatcher, unless_known
from web.jsonapi import BASE as JSONAPI_BASE
from web.jsonapi import JsonApi
from web.negotiation import MEDIA_TYPE as JSONAPI
from web.objects import Json
from web.oms import BASE as OMS_BASE
from web.oms import MEDIA_TYPE as OMS
from web.oms import Oms, version
from web.reader import Reader
from web.replies import document_reply
from web.resource import Relation, Resource

Handler = Callable[[Request, Resource], Response]
RowHandler = Callable[[Request, Resource, str], Response]
Endpoint = Callable[..., Awaitable[Response]]
RelationHandler = Callable[[Request, Resource, str, str], Response]

_ERRORS = (400, 404, 413, 414, 503)
_STRICT_ERRORS = (400, 404, 406, 413, 414, 415, 503)


class Routes:
    """Routes of one dialect.

    Args:
        base: path below which it is.
        media_type: of its answers.
        tag: heading in the OpenAPI document.
        errors: statuses of its errors.
    """

    def __init__(self, base: str, media_type: str, tag: str, errors: Sequence[int]) -> None:
        self.router = APIRouter(prefix=base, tags=[tag], redirect_slashes=False)
        self._media_type = media_type
        self._errors = errors
        self.paths: list[str] = []
        """In the order they were added."""

    def add(
        self,
        path: str,
        endpoint: Endpoint,
        summary: str,
        schema: Json,
        parameters: list[Json] | None = None,
        media_type: str = "",
    ) -> None:
        """One route, for GET."""
        self.paths.append(path)
        self.router.add_api_route(
            path,
            endpoint,
            methods=["GET"],
            summary=summary,
            operation_id=f"{self.router.tags[0]} {path}",
            responses=openapi.answers(schema, media_type or self._media_type, *self._errors),
            openapi_extra={"parameters": parameters} if parameters else None,
            response_class=Response,
            response_model=None,
        )


class Endpoints:
    """Makes endpoints that run their handlers in the pool of the request."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher

    def rows(self, resource: Resource, handler: Handler) -> Endpoint:
        """Without path parameters."""

        async def endpoint(request: Request) -> Response:
            return await self._dispatcher.run(request, (resource,), lambda: handler(request, resource))

        return endpoint

    def remembered(self, resource: Resource, reader: Reader, oms: Oms) -> Endpoint:
        """The rows of ``oms``, in no thread if the same reply is remembered."""

        async def endpoint(request: Request) -> Response:
            version = await reader.version(resource)
            if (reply := oms.remembered(request, version)) is not None:
                return unless_known(request, reply)
            return await self._dispatcher.run(request, (resource,), lambda: oms.collection(request, resource, version))

        return endpoint

    def row(self, resource: Resource, handler: RowHandler) -> Endpoint:
        """With the id of a row."""

        async def endpoint(request: Request, id: str) -> Response:  # noqa: A002  the name in the path
            return await self._dispatcher.run(request, (resource,), lambda: handler(request, resource, id))

        return endpoint

    def related(self, resource: Resource, relation: Relation, target: Resource, handler: RelationHandler) -> Endpoint:
        """With the id of a row, for one of its relations."""

        async def endpoint(request: Request, id: str) -> Response:  # noqa: A002  the name in the path
            work = partial(handler, request, resource, id, relation.name)
            return await self._dispatcher.run(request, (resource, target), work)

        return endpoint


def oms_routes(site: str, reader: Reader, dispatcher: Dispatcher, resources: Sequence[Resource]) -> Routes:
    """The OMS dialect of the installation ``site``."""
    oms, endpoints = Oms(reader), Endpoints(dispatcher)
    routes = Routes(OMS_BASE, OMS, "oms", _ERRORS)
    routes.add(
        "/version",
        _fixed(lambda: document_reply(version(site), OMS)),
        "Version of the program and name of the site",
        {"type": "object"},
    )
    routes.add("/version/endpoints", _fixed(lambda: _endpoints(routes)), "Paths of this API", {"type": "object"})
    for resource in resources:
        base = f"/{resource.name}"
        rows = openapi.document(openapi.rows_of(resource, many=True))
        many = openapi.oms_parameters(resource, collection=True)
        one = openapi.oms_parameters(resource, collection=False)
        routes.add(base, endpoints.remembered(resource, reader, oms), resource.description, rows, many)
        routes.add(f"{base}/meta", _fixed(partial(oms.meta, resource)), f"Attributes of {resource.name}", {"type": "object"})
        routes.add(
            f"{base}/csv",
            endpoints.rows(resource, oms.csv),
            "The same as a table",
            {"type": "string"},
            many,
            "text/csv",
        )
        proposals = openapi.document(openapi.identifiers(many=True))
        routes.add(
            f"{base}/autocomplete",
            endpoints.rows(resource, oms.autocomplete),
            "Values of an attribute",
            proposals,
            many,
        )
        single = openapi.document(openapi.rows_of(resource, many=False))
        routes.add(f"{base}/{{id}}", endpoints.row(resource, oms.one), "One row", single, one)
        for relation in resource.relations:
            target = reader.resource(relation.target)
            found = openapi.document(openapi.rows_of(target, many=relation.many))
            asked = openapi.oms_parameters(target, collection=relation.many)
            endpoint = endpoints.related(resource, relation, target, oms.related)
            routes.add(f"{base}/{{id}}/{relation.name}", endpoint, f"Related {target.name}", found, _optional(asked))
            linkage = openapi.document(openapi.identifiers(many=relation.many))
            endpoint = endpoints.related(resource, relation, target, oms.relationship)
            routes.add(f"{base}/{{id}}/relationships/{relation.name}", endpoint, f"Ids of related {target.name}", linkage)
    return routes


def jsonapi_routes(reader: Reader, dispatcher: Dispatcher, resources: Sequence[Resource]) -> Routes:
    """The strict dialect."""
    api, endpoints = JsonApi(reader), Endpoints(dispatcher)
    routes = Routes(JSONAPI_BASE, JSONAPI, "jsonapi", _STRICT_ERRORS)
    for resource in resources:
        base = f"/{resource.name}"
        rows = openapi.document(openapi.rows_of(resource, many=True), included=True)
        single = openapi.document(openapi.rows_of(resource, many=False), included=True)
        many = openapi.jsonapi_parameters(resource, collection=True, includable=_includable(reader, resource))
        one = openapi.jsonapi_parameters(resource, collection=False, includable=_includable(reader, resource))
        routes.add(base, endpoints.rows(resource, api.collection), resource.description, rows, many)
        routes.add(f"{base}/{{id}}", endpoints.row(resource, api.one), "One row", single, one)
        for relation in resource.relations:
            target = reader.resource(relation.target)
            found = openapi.document(openapi.rows_of(target, many=relation.many), included=True)
            ways = _includable(reader, target)
            asked = _optional(openapi.jsonapi_parameters(target, collection=relation.many, includable=ways))
            endpoint = endpoints.related(resource, relation, target, api.related)
            routes.add(f"{base}/{{id}}/{relation.name}", endpoint, f"Related {target.name}", found, asked)
            linkage = openapi.document(openapi.identifiers(many=relation.many))
            endpoint = endpoints.related(resource, relation, target, api.relationship)
            pages = [item for item in asked if item.get("name", "").startswith("page[")]
            path = f"{base}/{{id}}/relationships/{relation.name}"
            routes.add(path, endpoint, f"Ids of related {target.name}", linkage, pages)
    return routes


def _fixed(make: Callable[[], Response]) -> Endpoint:
    """An endpoint that asks no source and so waits for none."""

    async def endpoint(_request: Request) -> Response:
        return make()

    return endpoint


def _includable(reader: Reader, resource: Resource) -> tuple[str, ...]:
    return tuple(item.name for item in resource.relations if not reader.resource(item.target).groups)


def _optional(parameters: list[Json]) -> list[Json]:
    """What a collection needs to be told, a row it relates to tells it."""
    return [item | {"required": False} if item.get("required") else item for item in parameters]


def _endpoints(routes: Routes) -> Response:
    data: list[Any] = [{"type": "endpoints", "id": path.lstrip("/"), "attributes": {"path": path}} for path in routes.paths]
    return document_reply({"data": data, "meta": {"totalResourceCount": len(data)}}, OMS)
