"""Bodies of long replies, compressed in memory until their clients have read them.

What a client that does not read costs is these bytes, some twentieth of the text; all of them together are bounded, and one
that does not fit beside the others is refused before it has begun.
"""

from __future__ import annotations

import threading
import weakref
import zlib
from collections.abc import Iterator, Mapping

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from web.errors import source_away

MOST_KEPT = 128 * 1024 * 1024
"""Bytes of all bodies together."""
_BLOCK = 128 * 1024
"""Text compressed at a time, and sent at a time."""
_LEVEL = 1


class _Budget:
    """Counts what is kept."""

    def __init__(self) -> None:
        self._kept = 0
        self._lock = threading.Lock()

    def take(self, size: int) -> None:
        with self._lock:
            if self._kept + size > MOST_KEPT:
                raise source_away("long replies wait for their readers already; ask for less or try again", 5)
            self._kept += size

    def give_back(self, sizes: list[int]) -> None:
        with self._lock:
            self._kept -= sum(sizes)
            sizes.clear()


_BUDGET = _Budget()


class KeptBody:
    """The body of one reply; what it keeps is given back with it."""

    def __init__(self) -> None:
        self.length = 0
        """Bytes of the text."""
        self._blocks: list[bytes] = []
        self._sizes: list[int] = []
        self._open = bytearray()
        self.drop = weakref.finalize(self, _BUDGET.give_back, self._sizes)
        """Give back what it keeps; the body is of no use any more."""

    def add(self, piece: bytes) -> None:
        """Append text.

        Raises:
            ApiError: 503, all bodies together are too long.
        """
        self.length += len(piece)
        self._open += piece
        while len(self._open) >= _BLOCK:
            self._keep(bytes(self._open[:_BLOCK]))
            del self._open[:_BLOCK]

    def blocks(self) -> Iterator[bytes]:
        """The text, each block of it once."""
        for index, block in enumerate(self._blocks):
            self._blocks[index] = b""
            yield zlib.decompress(block)
        yield bytes(self._open)

    def _keep(self, text: bytes) -> None:
        block = zlib.compress(text, _LEVEL)
        _BUDGET.take(len(block))
        self._sizes.append(len(block))
        self._blocks.append(block)


class KeptReply(Response):
    """A reply with such a body.

    Args:
        body: what to send.
        headers: besides the type and the length.
        media_type: of the text.
    """

    def __init__(self, body: KeptBody, headers: Mapping[str, str], media_type: str) -> None:
        super().__init__(b"", 200, {**headers, "content-length": str(body.length)}, media_type)
        self._kept = body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        try:
            for block in self._kept.blocks():
                await send({"type": "http.response.body", "body": block, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            self._kept.drop()
