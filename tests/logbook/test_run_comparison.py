"""What a run says of the detector at its start: which version, which part was pushed, how many values differ."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import logbook
from logbook.comparison import LATE, compare, describe_detector, to_compare
from logbook.run import Run, run_json
from logbook.run_state import RunState
from sipmdcs.site import Site
from tests.logbook.run_service import RunService, command, wait_until

BASE_IOC = Path(__file__).parents[1] / "configtool" / "base_ioc.py"
PUT = "import sys,epics; assert epics.caput(sys.argv[1], float(sys.argv[2]), wait=True, timeout=20) == 1"
SITE = """
name: Test
prefix: DET
channel_access: {{server_port: {server}, repeater_port: {repeater}, address_list: [127.255.255.255, "127.0.0.1:{base}"]}}
logbook: {{port: {http}}}
services: [logbook]
controllers:
  HV07: {{driver: padme-nim, id: "07", subsystem: VETO, port: sim}}
  HV17: {{driver: padme-nim, id: "17", subsystem: VETO, port: sim}}
iocs:
  veto: {{controllers: [HV07, HV17]}}
"""
COLUMNS = "controller,channel,cable_position,preamp_position,sipm_serial,vbr_V,vop_V,dark_current_uA"
LIMITS_DIFFER = 32
"""The IOC of this test boots with another HIGH of CURRENT_RBV than would be rendered, on each of the 32 channels."""


@contextmanager
def base_ioc(site: Site, port: int) -> Iterator[None]:
    command = [sys.executable, str(BASE_IOC), "none", "DET:VETO:HV07", "DET:VETO:HV17"]
    pipe = subprocess.PIPE
    environment = os.environ | {"EPICS_CAS_INTF_ADDR_LIST": "127.0.0.1", "EPICS_CAS_SERVER_PORT": str(port)}
    environment |= {"EPICS_CA_REPEATER_PORT": str(site.file.channel_access.repeater_port)}
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert any(line == "running\n" for line in process.stdout)
        try:
            yield
        finally:
            process.stdin.close()


@pytest.fixture
def installation(tmp_path: Path, free_ports: Callable[[int], list[int]]) -> Iterator[tuple[RunService, int]]:
    server, repeater, http, base = free_ports(4)
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "site.yaml").write_text(SITE.format(server=server, repeater=repeater, http=http, base=base))
    rows = [
        f"{one},{n:02d},{one}.1.{n},001.{n},S{one}-{n},{50 + n / 100:.2f},{55 + n / 100:.2f},0.1"
        for one in ("07", "17")
        for n in range(1, 17)
    ]
    (folder / "channels.csv").write_text("\n".join([COLUMNS, *rows]) + "\n")
    service = RunService(Site(folder))
    try:
        yield service, base
    finally:
        service.kill()


def done(site: Site, *arguments: str) -> str:
    ended = command(site, *arguments)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def started(service: RunService, key: str) -> dict[str, Any]:
    """A run that was started, once what was on the detector is known; the start itself did not wait for that."""
    number = service.open(key).json()["number"]
    start = time.monotonic()
    assert service.post(f"/runs/{number}/start").json()["config_compared_at"] is None
    assert time.monotonic() - start < 4.0  # the time-out of a read is 5 s
    return wait_until(lambda: (found := service.get(f"/runs/{number}"))["config_compared_at"] and found, "compared", 60)


@pytest.mark.timeout(240)
def test_a_run_says_what_was_on_the_detector_when_it_started(installation: tuple[RunService, int]) -> None:
    service, port = installation
    site = service.site
    with base_ioc(site, port):
        done(site, "config", "import", "--channels", str(site.folder / "channels.csv"))
        done(site, "config", "push")
        done(site, "config", "set", "default", "OVERVOLTAGE", "4.5")
        done(site, "config", "push", "--only", "HV17")
        service.start()
        run = started(service, "partial")
        assert (run["config_version"], run["config_push"], run["config_only"]) == (2, 2, "HV17")
        assert (run["config_compared"], run["config_differing"], run["config_unread"]) == (160, 16 + LIMITS_DIFFER, 0)
        page = done(site, "run", "show", str(run["number"]))
        assert "2 (push 2, only HV17, " in page
        assert f"{16 + LIMITS_DIFFER} of 160 values differ" in page
        # A change by another client after the push counts.
        subprocess.run([sys.executable, "-c", PUT, "DET:VETO:HV17:CH03:BIAS", "51"], check=True, env=service.environment)
        assert started(service, "by hand")["config_differing"] == 17 + LIMITS_DIFFER
    away = started(service, "away")
    assert (away["config_version"], away["config_compared"], away["config_unread"]) == (2, 0, 160)
    assert "not known: none of 160 values could be read" in done(site, "run", "show", str(away["number"]))
    frame = logbook.read_table(site, "runs")
    assert list(frame["config_differing"]) == [16 + LIMITS_DIFFER, 17 + LIMITS_DIFFER, 0]
    assert json.loads(done(site, "run", "list", "--json"))[0]["config_unread"] == 160


T = datetime(2026, 1, 1, tzinfo=UTC)
RUN = Run(
    number=7,
    request_key="a",
    partition="MAIN",
    type="physics",
    state=RunState.RUNNING,
    opened_at=T,
    started_at=T,
    opened_by="daq",
    config_version=3,
    config_push=5,
    software_version="1",
    changed_at=T,
)


def test_only_started_runs_with_a_configuration_are_compared_once() -> None:
    others = [
        replace(RUN, number=1, started_at=None),
        replace(RUN, number=2, config_version=None),
        replace(RUN, number=3, config_compared_at=T),
    ]
    assert to_compare([replace(RUN, number=9), RUN, *others]) == [RUN, replace(RUN, number=9)]


def test_a_run_that_started_without_the_service_says_so(tmp_path: Path) -> None:
    result = asyncio.run(compare(tmp_path, RUN, T + LATE + timedelta(seconds=1)))
    assert (result.compared, result.trouble) == (None, "the logbook service did not run when it started")


def test_a_comparison_that_fails_says_why(tmp_path: Path) -> None:
    result = asyncio.run(compare(tmp_path, RUN, T))
    assert result.compared is None
    assert "no site.yaml here" in result.trouble


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"config_version": None}, "-"),
        ({}, "not compared so far"),
        ({"started_at": None}, "compared at the start"),
        ({"config_compared_at": T, "config_trouble": "gone"}, "not known: gone"),
        ({"config_compared_at": T, "config_compared": 0, "config_differing": 0, "config_unread": 5}, "not known: none of 5"),
        (
            {"config_compared_at": T, "config_compared": 9, "config_differing": 2, "config_unread": 1},
            "2 of 9 values differ; 1 more could not be read",
        ),
        ({"config_compared_at": T, "config_compared": 9, "config_differing": 0, "config_unread": 0}, "0 of 9 values differ"),
    ],
)
def test_what_is_known_is_said_in_one_line(changes: dict[str, Any], text: str) -> None:
    assert describe_detector(run_json(replace(RUN, **changes))).startswith(text)
