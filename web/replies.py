"""Documents as HTTP replies. A long one is written piece by piece, so that neither its rows nor its text are in memory whole.

It is complete before its first byte goes out: an error is an error and never half an answer, no source waits for a client that
reads slowly, and the tag of its content lets a client ask whether there is another.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from itertools import islice
from typing import Any

from pydantic_core import to_json
from starlette.responses import Response

from web.keptbody import KeptBody, KeptReply

_ROWS = 200
"""Rows written at a time."""
_SMALL = 64 * 1024
"""Bytes up to which a body is sent as it is."""


def json_bytes(document: Any) -> bytes:
    """JSON without blanks: times in UTC as ISO 8601, numbers that are not finite as null, what JSON has no word for as text."""
    return to_json(document, inf_nan_mode="null", fallback=str)


def document_reply(
    document: Mapping[str, Any], media_type: str, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """A document as it stands."""
    if status != 200:
        return Response(json_bytes(document), status, headers, media_type)
    return _reply([json_bytes(document)], media_type, headers)


def rows_reply(
    document: Mapping[str, Any], rows: Iterable[Any], media_type: str, headers: Mapping[str, str] | None = None
) -> Response:
    """A document whose ``data`` are ``rows``.

    Raises:
        ApiError: 503, it does not fit beside those that wait for their readers.
    """
    return _reply(_written(document, rows), media_type, headers)


def csv_reply(names: Sequence[str], rows: Iterable[Sequence[Any]], file_name: str) -> Response:
    """A table with a heading line.

    Raises:
        ApiError: as ``rows_reply``.
    """
    headers = {"Content-Disposition": f'attachment; filename="{file_name}"'}
    return _reply(_lines(names, rows), "text/csv; charset=utf-8", headers)


def _reply(pieces: Iterable[bytes], media_type: str, headers: Mapping[str, str] | None) -> Response:
    tag = blake2b(digest_size=12)
    start, left = bytearray(), iter(pieces)
    for piece in left:
        tag.update(piece)
        start += piece
        if len(start) > _SMALL:
            break
    else:
        return Response(bytes(start), 200, _tagged(headers, tag.hexdigest()), media_type)
    body = KeptBody()
    try:
        body.add(bytes(start))
        for piece in left:
            tag.update(piece)
            body.add(piece)
    except BaseException:
        body.drop()
        raise
    return KeptReply(body, _tagged(headers, tag.hexdigest()), media_type)


def _tagged(headers: Mapping[str, str] | None, tag: str) -> dict[str, str]:
    # A weak tag: the edge may compress what it is the tag of.
    return {**(headers or {}), "ETag": f'W/"{tag}"', "Cache-Control": "no-cache"}


def _written(document: Mapping[str, Any], rows: Iterable[Any]) -> Iterator[bytes]:
    yield b'{"data":['
    separator = b""
    left = iter(rows)
    while piece := list(islice(left, _ROWS)):
        yield separator + json_bytes(piece)[1:-1]
        separator = b","
    yield b"]," + json_bytes(document)[1:] if document else b"]}"


def _lines(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[bytes]:
    left = iter(rows)
    piece: list[Sequence[Any]] = [names]
    while piece:
        text = io.StringIO()
        csv.writer(text, lineterminator="\r\n").writerows(piece)
        yield text.getvalue().encode()
        piece = list(islice(left, _ROWS))
