"""HTTP replies."""

from __future__ import annotations

import json
from http import HTTPStatus

from starlette.responses import Response

from archiver.errors import BadQuery, NothingFound
from sipmdcs.errors import DcsError
from sipmdcs.http.errors import JSON_TYPE, exception_handlers


def json_reply(content: object) -> Response:
    """JSON with exactly ``application/json`` as type: PyDM takes nothing else."""
    return Response(json.dumps(content), media_type=JSON_TYPE)


_STATUSES: dict[type[DcsError], HTTPStatus] = {
    BadQuery: HTTPStatus.BAD_REQUEST,
    NothingFound: HTTPStatus.NOT_FOUND,
}

ERROR_HANDLERS = exception_handlers(_STATUSES)
