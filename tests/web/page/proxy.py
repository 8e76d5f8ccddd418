"""A reverse proxy that serves a site below a path, as ``docs/reference/http.md`` has it for nginx."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

PATH = "/dcs"
_PASSED = ("accept", "accept-encoding", "if-none-match")
_RETURNED = ("content-type", "content-encoding", "etag", "cache-control", "vary")


@dataclass
class Proxy:
    url: str
    packed: list[str] = field(default_factory=list)
    """Paths of replies that were compressed."""
    outside: list[str] = field(default_factory=list)
    """What was asked for that does not lie below the path."""


@contextmanager
def proxy_of(upstream: str) -> Iterator[Proxy]:
    """Serve ``upstream`` below the path until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if not self.path.startswith(f"{PATH}/"):
                proxy.outside.append(self.path)
                self.send_error(404)
                return
            headers = {name: value for name in _PASSED if (value := self.headers.get(name)) is not None}
            headers |= {"Host": self.headers["Host"].partition(":")[0], "X-Forwarded-For": self.client_address[0]}
            headers |= {"X-Forwarded-Proto": "http", "X-Forwarded-Prefix": PATH}
            with client.stream("GET", upstream.rstrip("/") + self.path.removeprefix(PATH), headers=headers) as reply:
                body = b"".join(reply.iter_raw())
            if "content-encoding" in reply.headers:
                proxy.packed.append(self.path)
            self.send_response(reply.status_code)
            for name in _RETURNED:
                if name in reply.headers:
                    self.send_header(name, reply.headers[name])
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the base class calls it so)
            del format, args

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    proxy = Proxy(f"http://127.0.0.1:{server.server_port}{PATH}/")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    with httpx.Client(timeout=60, trust_env=False) as client:
        thread.start()
        try:
            yield proxy
        finally:
            server.shutdown()
            thread.join()
            server.server_close()
