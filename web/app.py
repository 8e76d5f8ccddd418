"""The whole HTTP interface as one ASGI application: both dialects, OpenAPI, health, the page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp

from sipmdcs import __version__
from web import jsonapi, oms, openapi
from web.catalogue import RESOURCES, Catalogue
from web.dispatch import Dispatcher
from web.errorreplies import on_api_error, on_bug, on_http_error
from web.errors import ApiError
from web.limits import Counts, Limits
from web.methods import Heads
from web.pagefiles import packaged_page, page_routes
from web.reader import Reader
from web.replies import document_reply
from web.routes import jsonapi_routes, oms_routes

Health = Callable[[], Mapping[str, str]]
"""State of each source, by its name; does not block."""


def make_app(site: str, catalogue: Catalogue, health: Health, counts: Counts, page: Path | None = None) -> ASGIApp:
    """The application over a catalogue.

    Args:
        site: name of the installation.
        catalogue: has every resource.
        health: tells how the sources are.
        counts: is told of every request.
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
    app.include_router(oms_routes(site, reader, dispatcher, RESOURCES).router, prefix=oms.BASE)
    app.include_router(jsonapi_routes(reader, dispatcher, RESOURCES).router, prefix=jsonapi.BASE)

    async def healthy() -> Response:  # on the event loop: it waits for no thread
        return _health(health)

    app.add_api_route("/health", healthy, methods=["GET"], response_class=Response, response_model=None)
    app.router.routes.extend(page_routes(page or packaged_page()))
    generated = app.openapi

    def described() -> dict[str, Any]:
        document = generated()
        components = document.setdefault("components", {})
        components.setdefault("schemas", {}).update(openapi.component_schemas(RESOURCES))
        components.setdefault("parameters", {}).update(openapi.component_parameters(RESOURCES))
        return document

    app.openapi = described  # as FastAPI's documentation has it ("Extending OpenAPI")
    return Limits(Heads(app), counts)


def _health(health: Health) -> Response:
    return document_reply({"version": __version__, "sources": dict(health())}, "application/json")
