"""The HTTP service in a thread of the test, and a client of it."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from archiver.app import make_app, make_edge
from archiver.served import Served
from sipmdcs.http.server import listen, serve
from sipmdcs.site import HttpEdge


@contextmanager
def served_over_http(served: Served) -> Iterator[httpx.Client]:
    sock = listen("127.0.0.1", 0)
    loop = asyncio.new_event_loop()
    task = loop.create_task(serve(make_app(served), sock, make_edge(served, HttpEdge())))

    def run() -> None:
        try:
            loop.run_until_complete(task)
        except asyncio.CancelledError:
            pass
        finally:
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{sock.getsockname()[1]}", timeout=60) as client:
            yield client
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join()
