"""The whole HTTP interface as one ASGI application: both dialects, OpenAPI, health, the page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from sipmdcs import __version__
from sipmdcs.http.edge import Edge, Health
from sipmdcs.http.limits import Limits
from sipmdcs.site import HttpEdge
from web import jsonapi, oms, openapi
from web.catalogue import RESOURCES, Catalogue
from web.dispatch import Dispatcher
from web.errorreplies import error_reply, on_api_error, on_bug, on_http_error
from web.errors import ApiError
from web.methods import Heads
from web.pagefiles import packaged_page, page_routes
from web.reader import Reader
from web.routes import jsonapi_routes, oms_routes
from web.routetable import RouteTable

_LIMITS = Limits(work=200, work_per_client=150)
"""Turns of requests; what they cost is limited by ``pools``, so that those who wait for one source take no turn of others."""


def make_edge(settings: HttpEdge, health: Health) -> Edge:
    """What stands before the application; the page waits for no turn."""
    return Edge("web", settings, health=health, limits=_LIMITS, refusal=error_reply, light=lambda path: not is_api(path))


def is_api(path: str) -> bool:
    """Whether a path is of one of the dialects."""
    return path.startswith((oms.BASE, jsonapi.BASE))


def make_app(site: str, catalogue: Catalogue, page: Path | None = None) -> ASGIApp:
    """The application over a catalogue.

    Args:
        site: name of the installation.
        catalogue: has every resource.
        page: folder of the built page; the packaged one if left out.
    """
    app = FastAPI(
        title="sipmdcs",
        version=__version__,
        summary="Read-only aggregation API of the detector control system",
        docs_url=None,  # its scripts come from other sites, which a control network does not reach
        redoc_url=None,
        redirect_slashes=False,
        exception_handlers={ApiError: on_api_error, HTTPException: on_http_error, Exception: on_bug},
    )
    reader = Reader(catalogue)
    dispatcher = Dispatcher(reader)
    dialects = (oms_routes(site, reader, dispatcher, RESOURCES).router, jsonapi_routes(reader, dispatcher, RESOURCES).router)
    app.router.routes.append(RouteTable(route for router in dialects for route in router.routes))
    for router in dialects:
        app.include_router(router)
    app.router.routes.extend(page_routes(page or packaged_page()))
    generated = app.openapi

    def described() -> dict[str, Any]:
        document = generated()
        components = document.setdefault("components", {})
        components.setdefault("schemas", {}).update(openapi.component_schemas(RESOURCES))
        components.setdefault("parameters", {}).update(openapi.component_parameters(RESOURCES))
        return document

    app.openapi = described  # as FastAPI's documentation has it ("Extending OpenAPI")
    return Heads(app)
