"""Replies that are asked for again and again, such as the newest runs: kept as long as their source holds the same rows."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import NamedTuple

from starlette.responses import Response

from web.keptbody import KeptReply
from web.query import Page

_MOST = 64
"""Replies; a body is 64 kB at most."""

Key = tuple[str, str, bytes]


class _Kept(NamedTuple):
    version: str
    body: bytes
    headers: Mapping[str, str]


class Remembered:
    """The newest replies; any thread may ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[Key, _Kept] = OrderedDict()

    def reply(self, key: Key, page: Page, make: Callable[[], Response]) -> Response:
        """The reply to a question.

        Args:
            key: all that the reply follows from besides the rows.
            page: opened, and not read where the reply is remembered.
            make: makes the reply from it, of status 200.
        """
        if page.version is None:
            return make()
        with self._lock:
            kept = self._kept.get(key)
        if kept is not None and kept.version == page.version:
            return Response(kept.body, 200, kept.headers)  # another each time: headers are added to it on its way
        reply = make()
        if not page.moving() and not isinstance(reply, KeptReply):
            with self._lock:
                self._kept[key] = _Kept(page.version, bytes(reply.body), dict(reply.headers))
                self._kept.move_to_end(key)
                while len(self._kept) > _MOST:
                    self._kept.popitem(last=False)
        return reply
