"""Single processes of a running site stopped and started by name."""

from collections.abc import Iterator

import pytest

from tests.sipmdcs.supervise.tiny_site import TinySite, wait_for

pytestmark = pytest.mark.timeout(240)
"""Several commands in each test, seconds each on busy cores."""


@pytest.fixture
def running(site: TinySite) -> Iterator[TinySite]:
    site.run("up")
    yield site
    site.run("down")


def state(site: TinySite, name: str) -> str:
    return next(service["state"] for service in site.status()["services"] if service["name"] == name)


def test_one_process_stays_stopped_until_it_is_started(running: TinySite) -> None:
    running.run("down", "tiny")
    assert state(running, "tiny") != "RUNNING"
    assert state(running, "bench") == "RUNNING"
    running.run("down", "tiny")
    running.run("up", "tiny", "bench")
    wait_for(lambda: state(running, "tiny") == "RUNNING", "tiny running again")


def test_unknown_name_stops_nothing(running: TinySite) -> None:
    assert "no process nobody, there are bench, " in running.run("down", "tiny", "nobody", expect=1)
    assert state(running, "tiny") == "RUNNING"


def test_site_that_is_not_up(site: TinySite) -> None:
    for command in ("up", "down"):
        assert "the site is not up" in site.run(command, "tiny", expect=1)
