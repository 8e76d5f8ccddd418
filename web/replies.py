"""Documents as HTTP replies; long ones are written piece by piece, so that they are never in memory as text."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from starlette.responses import Response, StreamingResponse

_PIECE = 500
"""Rows written at a time."""


def json_text(document: Any) -> str:
    """JSON without blanks; a number that is not finite is an error, never text that no parser takes."""
    return json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def document_reply(
    document: Mapping[str, Any], media_type: str, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """A document as it stands."""
    return Response(json_text(document), status, headers, media_type)


def rows_reply(
    document: Mapping[str, Any], rows: Iterable[Any], count: int, media_type: str, headers: Mapping[str, str] | None = None
) -> Response:
    """A document whose ``data`` are ``rows``, ``count`` of them."""
    if count <= _PIECE:
        return document_reply({"data": list(rows), **document}, media_type, headers=headers)
    return StreamingResponse(_written(document, rows), 200, headers, media_type)


def _written(document: Mapping[str, Any], rows: Iterable[Any]) -> Iterator[bytes]:
    yield b'{"data":['
    separator = ""
    left = iter(rows)
    while piece := list(islice(left, _PIECE)):
        yield (separator + json_text(piece)[1:-1]).encode()
        separator = ","
    rest = json_text(document)
    yield (f"],{rest[1:]}" if document else "]}").encode()


def csv_reply(names: Sequence[str], rows: Iterable[Sequence[Any]], file_name: str) -> Response:
    """A table with a heading line."""
    headers = {"Content-Disposition": f'attachment; filename="{file_name}"'}
    return StreamingResponse(_lines(names, rows), 200, headers, "text/csv; charset=utf-8")


def _lines(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[bytes]:
    left = iter(rows)
    piece: list[Sequence[Any]] = [names]
    while piece:
        text = io.StringIO()
        csv.writer(text, lineterminator="\r\n").writerows(piece)
        yield text.getvalue().encode()
        piece = list(islice(left, _PIECE))
