"""Processes that die or are killed, the supervisor among them."""

import os
import signal
from typing import Any

import psutil
import pytest

from tests.sipmdcs.supervise.tiny_site import TinySite, wait_for

pytestmark = pytest.mark.timeout(240)
"""Several commands in each test, seconds each on busy cores."""


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def test_killed_service_and_killed_keeper_come_back(running: TinySite) -> None:
    first = running.service("tiny")["pid"]
    kill(first)
    wait_for(lambda: running.service("tiny")["state"] == "RUNNING", "tiny back")
    back = running.service("tiny")
    assert back["pid"] != first
    assert back["restarts"] == 1
    assert back["last_exit"] == "terminated by SIGKILL"

    keeper = next(found.process for found in running.processes() if found.program == "keeper")
    keeper.kill()
    kill(running.service("bench")["pid"])
    wait_for(lambda: running.service("bench")["restarts"] == 1, "bench started by the next keeper")
    wait_for(lambda: running.status()["services"][1]["state"] == "RUNNING", "bench back")
    assert running.service("tiny")["restarts"] == 1, "the next keeper remembers what the killed one did"


def test_what_hangs_is_ended_and_started_again_and_its_log_says_where(running: TinySite) -> None:
    stopped, spinning = running.service("tiny")["pid"], running.service("bench")["pid"]
    os.kill(stopped, signal.SIGSTOP)
    running.order("bench.spin")
    for name, pid in (("tiny", stopped), ("bench", spinning)):
        # One that spins hangs for 15 s of a processor, of which it may get a third here.
        wait_for(lambda name=name, pid=pid: running.service(name)["pid"] not in (pid, None), f"{name} started again", 150)
        wait_for(lambda name=name: running.service(name)["state"] == "RUNNING", f"{name} back")
        assert (running.service(name)["restarts"], running.service(name)["hangs"]) == (1, 1)
    assert running.service("tiny")["last_exit"] == "terminated by SIGKILL"
    assert "Fatal Python error: Aborted" in (running.folder / "var" / "log" / "bench.log").read_text("utf-8")
    assert "1 (1 hung)" in running.run("status")
    assert running.service("simulators")["restarts"] == 0


def test_service_that_keeps_dying_is_retried_ever_more_slowly(site: TinySite) -> None:
    order = site.order("tiny.die")
    said = site.run("up", "--timeout", "10", expect=1)
    assert "not ready after 10 s" in said
    assert "tiny ended (exit status 3): tiny: tiny was told to die" in said
    assert "sipmdcs down ends it" in said
    wait_for(lambda: len(_delays(site)) >= 4, "four deaths")
    delays = _delays(site)
    assert delays == [0.5 * 2**deaths for deaths in range(len(delays))]
    waiting: dict[str, Any] = {"next_start_s": None}
    wait_for(lambda: waiting.update(site.service("tiny")) or waiting["next_start_s"] is not None, "the next start planned")
    assert (waiting["state"], waiting["pid"]) == ("WAITING", None)
    assert waiting["restarts"] >= 3
    assert waiting["next_start_s"] <= 0.5 * 2 ** waiting["restarts"]
    assert waiting["last_error"] == "tiny: tiny was told to die"
    assert "Z ERROR tiny: tiny was told to die" in (site.folder / "var" / "log" / "tiny.log").read_text("utf-8")
    assert "last error of tiny: tiny: tiny was told to die\n" in site.run("status", expect=1)
    assert site.service("bench")["state"] == "RUNNING"
    order.unlink()
    wait_for(lambda: site.service("tiny")["state"] == "RUNNING", "tiny well again")
    site.run("down")
    assert not site.processes()


def _delays(site: TinySite) -> list[float]:
    """What the keeper said it would wait after each death."""
    log = (site.folder / "var" / "log" / "keeper.log").read_text("utf-8")
    return [float(line.rsplit(" ", 2)[1]) for line in log.splitlines() if "tiny died" in line]


def test_killed_supervisor_leaves_control_running_and_up_cleans_up(running: TinySite) -> None:
    kill(running.status()["supervisor_pid"])
    strays = running.status()
    assert strays["supervisor_pid"] is None
    assert {service["state"] for service in strays["services"]} == {"STRAY"}
    running.run("status", expect=1)
    pids = {service["pid"] for service in strays["services"]}
    said = running.run("up")
    assert said.count("left by a supervisor that is gone") >= 3
    assert not any(psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE for pid in pids)
    assert running.status()["supervisor_pid"]


def test_down_after_killed_supervisor_kills_even_what_ignores_it(site: TinySite) -> None:
    site.order("bench.deaf")
    site.run("up")
    kill(site.status()["supervisor_pid"])
    said = site.run("down")
    assert "still there after 12 s" in said
    assert not site.processes()
