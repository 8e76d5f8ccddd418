"""Requests for one site are not done by the service of another that listens on the same port."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from sipmdcs.errors import ServiceError
from sipmdcs.http.client import JsonClient
from sipmdcs.http.identity import HEADER, encoded
from sipmdcs.site import HttpService, Site
from tests.logbook.run_service import RunService, command, write_site
from tests.sipmdcs.http.test_client import Handler, Server, server

__all__ = ["server"]

PROJECT = Path(__file__).parents[3]


def test_a_run_of_another_site_on_the_same_port_is_not_ended(tmp_path: Path, free_ports: Callable[[int], list[int]]) -> None:
    site = write_site(tmp_path / "mine", free_ports)
    other = tmp_path / "theirs"
    other.mkdir()
    (other / "site.yaml").write_text((site.folder / "site.yaml").read_text())
    service = RunService(site)
    service.start()
    try:
        number = service.open("a").json()["number"]
        service.post(f"/runs/{number}/start")
        for words in (["run", "end"], ["run", "end", str(number)], ["run", "note", str(number), "x"], ["run", "list"]):
            refused = command(Site(other), *words)
            assert refused.returncode == 1, refused.stdout
            assert f"TST in {site.folder}" in refused.stderr
            assert len(refused.stderr.splitlines()) == 1
        found = service.get(f"/runs/{number}")
        assert (found["state"], found["remarks"]) == ("running", {})
        reply = httpx.get(service.client.base_url, headers={HEADER: "x"})
        assert (reply.status_code, reply.headers[HEADER]) == (421, encoded(site.identity))
        assert command(site, "run", "end").returncode == 0
    finally:
        service.kill()


def test_a_reply_of_another_site_is_not_taken(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    asks = [JsonClient(_where(server), "the bench", 30.0, site=name) for name in ("mine", "süd in /tmp/a b")]
    for asking in asks:
        assert asking.get("/") == {}, "a service that does not say whose it is"
    handler = Handler
    end = handler.end_headers
    monkeypatch.setattr(
        handler, "end_headers", lambda self: (self.send_header(HEADER, encoded("süd in /tmp/a b")), end(self))[1]
    )
    assert asks[1].get("/") == {}
    with pytest.raises(ServiceError, match=r"is the bench of another site, 'süd in /tmp/a b'"):
        asks[0].post("/runs", {})


def _where(server: Server) -> HttpService:
    return HttpService(port=server.server_port)


def test_identity_of_a_site(tmp_path: Path) -> None:
    text = (PROJECT / "examples" / "minimal" / "site.yaml").read_text()
    (tmp_path / "site.yaml").write_text(text)
    assert Site(tmp_path).identity == f"LAB in {tmp_path}"
    (tmp_path / "site.yaml").write_text(f"identity: lab-1\n{text}")
    assert Site(tmp_path).identity == "lab-1"


def test_the_examples_share_no_port_over_which_something_is_changed() -> None:
    files = [Site(PROJECT / "examples" / name).file for name in ("minimal", "padme-like")]
    assert not {files[0].logbook.port, files[0].alarms.port} & {files[1].logbook.port, files[1].alarms.port}
