"""Head and body of a reply leave in one packet: two cost a second call of the kernel and wake the client twice."""

from __future__ import annotations

import asyncio
from typing import Any


class Gathering(asyncio.Transport):
    """A transport that holds a piece until the next one or the next turn of the event loop, whichever is first."""

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__()
        self._transport = transport
        self._held: bytes | bytearray | memoryview[Any] = b""
        self._call_soon = asyncio.get_running_loop().call_soon

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        if self._held:
            held, self._held = self._held, b""
            self._transport.write(b"".join((held, data)))
        else:
            self._held = data
            self._call_soon(self._flush)

    def _flush(self) -> None:
        if self._held:
            held, self._held = self._held, b""
            self._transport.write(held)

    def write_eof(self) -> None:
        self._flush()
        self._transport.write_eof()

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def abort(self) -> None:
        self._held = b""
        self._transport.abort()

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def get_write_buffer_size(self) -> int:
        return self._transport.get_write_buffer_size() + len(self._held)

    def pause_reading(self) -> None:
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._transport.resume_reading()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._transport.get_extra_info(name, default)
