"""Real processes under the real supervisord: what users do to a site, and what goes wrong with it."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.sipmdcs.supervise.tiny_site import TinySite, wait_for

pytestmark = pytest.mark.timeout(240)
"""Several commands in each test, seconds each on busy cores."""


def test_up_starts_in_order_and_down_ends_in_reverse(site: TinySite) -> None:
    said = site.run("up")
    order = [line.split()[0] for line in said.splitlines() if " ready after " in line]
    assert order == ["simulators", "bench", "tiny"]
    assert site.starts("simulators") < site.starts("bench") < site.starts("tiny")
    assert "nothing is running" in site.run("down")
    log = (site.folder / "var" / "log" / "supervisord.log").read_text("utf-8")
    ended = [line.split("stopped: ")[1].split()[0] for line in log.splitlines() if "stopped: " in line]
    assert ended[:3] == ["tiny", "bench", "simulators"]
    assert not site.processes()
    assert [path.name for path in (site.folder / "var" / "run").iterdir()] == ["lock"]
    assert "nothing is running" in site.run("down")


@pytest.mark.parametrize(
    ("files", "said", "limit"),
    [
        ("512:8192", "each process may open 8,192 files (the limit was 512)", (8192, 8192)),
        ("512:512", "warning: each process may open 512 files only", (512, 512)),
    ],
)
def test_up_raises_the_limit_of_open_files_and_says_so(site: TinySite, files: str, said: str, limit: tuple[int, int]) -> None:
    assert said in site.run("up", files=files)
    assert {psutil.Process(found.process.pid).rlimit(psutil.RLIMIT_NOFILE) for found in site.processes()} == {limit}
    site.run("down")


def test_status_tells_all_and_exits_by_it(running: TinySite) -> None:
    found = running.status()
    assert found["site"] == str(running.folder)
    assert psutil.pid_exists(found["supervisor_pid"])
    for service in found["services"]:
        assert service["state"] == "RUNNING"
        assert service["restarts"] == 0
        assert psutil.pid_exists(service["pid"])
        assert service["uptime_s"] >= 0
        memory = psutil.Process(service["pid"]).memory_full_info()
        assert memory.pss < memory.rss / 2, "copies of supervisord share what it loaded"
    assert "bench" in running.run("status", expect=0)
    running.run("down")
    assert {service["state"] for service in running.status()["services"]} == {"STOPPED"}
    running.run("status", expect=1)


def test_second_up_and_foreign_site_on_same_port_are_refused(running: TinySite, make_site: Callable[..., TinySite]) -> None:
    said = running.run("up", expect=1)
    assert f"is up already, supervisor pid {running.status()['supervisor_pid']}" in said
    other = make_site("other", services="[archiver]")
    text = (other.folder / "site.yaml").read_text("utf-8")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holder:
        holder.bind(("127.0.0.1", 0))
        port = holder.getsockname()[1]
        (other.folder / "site.yaml").write_text(text.replace(str(other.ca_port), str(port)), "utf-8")
        said = other.run("up", expect=1)
    assert f"UDP port {port} on 127.0.0.1 is in use by" in said
    assert f"(pid {os.getpid()})" in said
    assert "channel_access.server_port" in said
    assert not other.processes()


def test_a_full_disk_does_not_keep_from_stopping(site: TinySite) -> None:
    site.run("up")
    full = ["prlimit", "--fsize=0", sys.executable, "-P", "-m", "sipmdcs"]  # whatever is written to a file fails
    failed = subprocess.run([*full, "up"], capture_output=True, text=True, env=site.environment, check=False)
    assert "is up already" in failed.stderr
    done = subprocess.run([*full, "down"], capture_output=True, text=True, env=site.environment, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert not site.processes()
    failed = subprocess.run([*full, "up"], capture_output=True, text=True, env=site.environment, check=False)
    assert (failed.returncode, failed.stderr) == (
        1,
        f"Error: {site.folder}/var/supervisor.conf: cannot be written: File too large\n",
    )


def test_mistake_in_the_site_file_does_not_keep_from_stopping(site: TinySite) -> None:
    site.run("up")
    (site.folder / "site.yaml").write_text("nmae: x\n", "utf-8")
    assert "nmae: unknown key" in site.run("status", expect=1)
    assert "nothing is running" in site.run("down")
    assert not site.processes()


def test_two_ups_at_once_make_one_site(site: TinySite) -> None:
    both = [site.start("up"), site.start("up")]
    said = ["".join(process.communicate(timeout=120)) for process in both]
    assert sorted(process.returncode for process in both) == [0, 1]
    refused = said[0] if both[0].returncode else said[1]
    assert "is starting or stopping this site" in refused or "is up already" in refused
    assert len([found for found in site.processes() if not found.program]) == 1
    site.run("down")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=["Ctrl-C", "kill", "closed terminal"])
def test_interrupted_up_leaves_nothing(site: TinySite, number: int) -> None:
    site.order("bench.mute")
    up = site.start("up")
    wait_for(lambda: (site.folder / "var" / "starts.txt").is_file() and bool(site.starts("bench")), "bench started")
    up.send_signal(number)
    out, err = up.communicate(timeout=120)
    assert up.returncode == 130, out + err
    assert err.strip() == "interrupted"
    assert not site.processes()


def test_unreachable_database_stops_only_a_site_that_never_rendered(site: TinySite) -> None:
    site.order("render.fail", "no database")
    said = site.run("up", expect=1)
    assert "no files for IOC bench and config render failed: no database" in said
    assert not site.processes()
    site.order("render.fail").unlink()
    site.run("config", "render")
    site.order("render.fail", "no database")
    said = site.run("up")
    assert "warning: using the files rendered last time, config render failed: no database" in said
    site.run("down")


@pytest.mark.parametrize("parent", ["", "/".join(["deep" * 10] * 3) + "/"], ids=["short", "deep"])
def test_folder_of_any_name(make_site: Callable[..., TinySite], parent: str) -> None:
    site = make_site(f"{parent}a % ;\"b\" 'c' %(here)s #é")
    site.run("up")
    assert all(service["state"] == "RUNNING" for service in site.status()["services"])
    site.run("down")
    assert not site.processes()


def test_site_without_simulators_has_no_simulator_process(make_site: Callable[..., TinySite]) -> None:
    site = make_site(port="serial:///dev/ttyS99")
    assert [service["name"] for service in site.status()["services"]] == ["bench", "tiny"]


def test_down_waits_for_its_turn(site: TinySite) -> None:
    with subprocess.Popen(["flock", str(_lock(site)), "sleep", "60"]) as holder:
        wait_for(lambda: bool(psutil.Process(holder.pid).children()), "the lock held")
        assert "is starting or stopping this site" in site.run("down", expect=1)
        psutil.Process(holder.pid).children()[0].kill()
        holder.wait()
    site.run("down")


def _lock(site: TinySite) -> Path:
    path = site.folder / "var" / "run" / "lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
