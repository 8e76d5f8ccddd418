"""The page: built files, as they lie in ``web/page``."""

from __future__ import annotations

import mimetypes
from importlib.resources import files
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; "
        "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_FOR_EVER = "public, max-age=31536000, immutable"
_ASK_AGAIN = "no-cache"


def packaged_page() -> Path:
    """Folder of the built page."""
    return Path(str(files("web"))) / "page"


def page_routes(folder: Path) -> list[Route]:
    """``/`` and every file of the page; the page finds its way by the fragment of the URL, so nothing else leads to it."""

    async def index(request: Request) -> Response:
        return _file(folder / "index.html", _ASK_AGAIN)

    async def asset(request: Request) -> Response:
        return _file(_inside(folder / "assets", request.path_params["name"]), _FOR_EVER)

    async def other(request: Request) -> Response:
        return _file(_inside(folder, request.path_params["name"]), _ASK_AGAIN)

    return [Route("/", index), Route("/assets/{name}", asset), Route("/{name}", other)]


def _inside(folder: Path, name: str) -> Path:
    """A file right in a folder; a name that leads elsewhere is no file."""
    return folder / name if name == Path(name).name and not name.startswith(".") else folder / "index.html" / "none"


def _file(path: Path, cache: str) -> Response:
    try:
        is_there = path.is_file()
    except OSError:  # such as a name that is too long for any file
        is_there = False
    if not is_there:
        return PlainTextResponse("There is no such file.\n", 404, HEADERS)
    media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return FileResponse(path, headers=HEADERS | {"Cache-Control": cache}, media_type=media_type)
