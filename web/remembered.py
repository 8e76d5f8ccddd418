"""Replies that are asked for again and again, such as the newest runs: kept as long as their source holds the same rows."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

from starlette.responses import Response

from web.keptbody import KeptReply
from web.query import Page

_MOST = 64
"""Replies; a body is 64 kB at most."""

Key = tuple[str, str, bytes]


class Remembered:
    """The newest replies; any thread may ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[Key, tuple[str, Response]] = OrderedDict()

    def reply(self, key: Key, page: Page, make: Callable[[], Response]) -> Response:
        """The reply to a question.

        Args:
            key: all that the reply follows from besides the rows.
            page: opened, and not read where the reply is remembered.
            make: makes the reply from it.
        """
        if page.version is None:
            return make()
        with self._lock:
            version, reply = self._kept.get(key, (None, None))
        if reply is not None and version == page.version:
            return reply
        reply = make()
        if not page.moving() and not isinstance(reply, KeptReply):
            with self._lock:
                self._kept[key] = page.version, reply
                self._kept.move_to_end(key)
                while len(self._kept) > _MOST:
                    self._kept.popitem(last=False)
        return reply
