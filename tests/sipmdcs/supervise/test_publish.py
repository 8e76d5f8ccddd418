"""The state of all processes as PVs, on the tiny site with a real Channel Access server."""

import os
import signal
from collections.abc import Callable

import pytest

from sipmdcs.site import Site
from sipmdcs.supervise.publish import key_figures
from sipmdcs.supervise.status import ServiceStatus, State
from tests.sipmdcs.supervise.tiny_site import TinySite, wait_for
from tests.system.installation import EpicsClient

pytestmark = pytest.mark.timeout(240)
"""Several commands in each test, seconds each on busy cores."""

PREFIX = "TINY:SYS:SUPERVISOR"


@pytest.mark.parametrize(
    ("services", "figures"),
    [
        ([], (0, 0, 0, 0, 0, "")),
        ([ServiceStatus("a", State.RUNNING), ServiceStatus("b", State.STARTING)], (2, 1, 0, 0, 0, "")),
        (
            [ServiceStatus("a", State.RUNNING, restarts=2, hangs=1), ServiceStatus("b", State.WAITING, restarts=5)],
            (2, 1, 1, 7, 1, "b"),
        ),
        ([ServiceStatus("a", State.STOPPED)], (1, 0, 1, 0, 0, "")),
    ],
)
def test_key_figures(services: list[ServiceStatus], figures: tuple[object, ...]) -> None:
    assert tuple(key_figures(services).values()) == figures


def test_death_and_restart_show_as_pvs(make_site: Callable[..., TinySite]) -> None:
    site = make_site(services="[tiny, supervisor]")
    site.run("up")
    client = EpicsClient(os.environ | Site(site.folder).ca_environment())

    def figure(suffix: str) -> object:
        name = f"{PREFIX}:{suffix}"
        return client.ask("get", names=[name])[name]["value"]

    try:
        wait_for(lambda: figure("RUNNING") == 4, "all four run")
        assert (figure("PROCESSES"), figure("DOWN"), figure("RESTARTS"), figure("WORST")) == (4, 0, 0, "")
        site.order("tiny.die")
        os.kill(site.service("tiny")["pid"], signal.SIGKILL)
        wait_for(lambda: figure("DOWN") == 1, "one is down")
        wait_for(lambda: figure("WORST") == "tiny", "it is named once it was started again")
        (site.folder / "var" / "orders" / "tiny.die").unlink()
        wait_for(lambda: figure("RUNNING") == 4, "all four run again")
        assert figure("DOWN") == 0
        assert site.service("supervisor")["state"] == "RUNNING"
        os.kill(site.status()["supervisor_pid"], signal.SIGKILL)
        name = f"{PREFIX}:RUNNING"
        wait_for(lambda: client.ask("get", names=[name])[name]["severity"] == 3, "INVALID without supervisord")
    finally:
        client.close()
        site.run("down")
    assert not site.processes()
