"""The archiver of a site: its own PVs archived by itself, and the commands that ask it."""

import csv
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.archiver.processes import wait_until

SITE = """
name: archiver under test
prefix: ARC
channel_access: {{server_port: {}, repeater_port: {}}}
archiver: {{port: {}}}
services: [archiver]
controllers:
  PS1: {{driver: c11204, id: "1", subsystem: LAB, port: sim}}
iocs:
  bench: {{controllers: [PS1]}}
"""
OWN = "ARC:SYS:ARCHIVER"


class Site:
    def __init__(self, folder: Path, ports: list[int]) -> None:
        self.folder = folder
        self.environment = {key: value for key, value in os.environ.items() if not key.startswith("EPICS")}
        self.environment["SIPMDCS_SITE"] = str(folder)
        (folder / "site.yaml").write_text(SITE.format(*ports))
        (folder / "archiver.yaml").write_text(f"policies: [{{pattern: '{OWN}:PID', archive: off}}]\n")
        (folder / "db_templates").mkdir()
        record = 'record(ai, "ARC:LAB:PS1:TEMP") {\n    info(archive, "monitor, 1")\n}\n'
        (folder / "db_templates" / "own.template").write_text(record)
        (folder / "var" / "rendered").mkdir(parents=True)
        (folder / "var" / "rendered" / "bench.substitutions").write_text('file "own.template" { {} }\n')

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-P", "-m", "sipmdcs", *arguments]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = self.command(*arguments)
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=30, check=False)

    def archive(self, *arguments: str) -> str:
        done = self.run("archive", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, free_ports: Callable[[int], list[int]]) -> Site:
    return Site(tmp_path_factory.mktemp("site"), free_ports(3))


@pytest.fixture(scope="module")
def running(site: Site) -> Iterator[Site]:
    with (site.folder / "log").open("w") as log:
        process = subprocess.Popen(site.command("archiver"), env=site.environment, stderr=log)
    wait_until((site.folder / "var" / "run" / "archiver.ready").exists, "the archiver is ready")
    wait_until(lambda: "HEARTBEAT" in site.archive("list", f"{OWN}:HEARTBEAT"), "it answers")

    def heard() -> bool:
        return site.run("archive", "get", f"{OWN}:DISK").returncode == 0

    wait_until(heard, "it archives itself")
    yield site
    assert "/pandas/" not in Path(f"/proc/{process.pid}/maps").read_text(), "80 MB that it does not use"
    process.terminate()
    assert process.wait(20) == 0, (site.folder / "log").read_text()


def test_it_archives_what_its_records_and_the_site_ask_for(running: Site):
    rows = json.loads(running.archive("list", "--json"))
    names = {row["pvName"]: row for row in rows}
    assert f"{OWN}:PID" not in names
    assert names[f"{OWN}:EVENT_RATE"]["isMonitored"] == "false"
    assert names["ARC:LAB:PS1:TEMP"]["connectionState"] == "false"
    assert names[f"{OWN}:VERSION"]["connectionState"] == "true"


def test_history_of_its_own_pvs(running: Site):
    (answer,) = json.loads(running.archive("get", f"{OWN}:DISK", "--json"))
    assert answer["data"][-1]["val"] == 1
    wait_until(lambda: "  Writable" in running.archive("get", f"{OWN}:DISK"), "the label of an enumeration")
    text = running.archive("get", f"{OWN}:VERSION", "--from", "-1h")
    assert text.startswith(time.strftime("%Y-", time.gmtime()))

    def counted() -> bool:
        rows = [row for row in csv.reader(running.archive("get", f"{OWN}:PVS", "--csv").splitlines()) if row]
        return float(rows[-1][1]) > 20

    wait_until(counted, "the number of PVs")


def test_figures_and_compaction(running: Site):
    figures = json.loads(running.archive("status", "--json"))
    assert float(figures["PVS"]) > 20
    assert figures["DISK"] == "1"
    assert "EVENT_RATE" in running.archive("status")
    running.archive("compact")
    wait_until(lambda: any((running.folder / "var" / "archive" / "lake").rglob("*.parquet")), "files in the lake")


@pytest.mark.parametrize(
    "arguments", [["compact"], ["status"], ["list"], ["get", f"{OWN}:DISK"], ["get", f"{OWN}:DISK", "--csv"]]
)
def test_the_archiver_of_another_site_on_the_same_port_is_left_alone(running: Site, tmp_path: Path, arguments: list[str]):
    (tmp_path / "site.yaml").write_text((running.folder / "site.yaml").read_text())
    refused = running.run("--site", str(tmp_path), "archive", *arguments)
    assert refused.returncode == 1
    assert refused.stderr.endswith(f"is the archiver of another site, 'ARC in {running.folder}'\n")
    assert refused.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["get", "ARC:NONE"], 1, "Error: ARC:NONE: is not archived"),
        (["get", "ARC:LAB:PS1:TEMP"], 1, "no sample up to then"),
        (["get", f"mean_x({OWN}:DISK)"], 1, "whole number"),
        (["get", f"{OWN}:DISK", "--from", "yesterday"], 2, "is no time"),
    ],
)
def test_bad_questions(running: Site, arguments: list[str], status: int, message: str):
    done = running.run("archive", *arguments)
    assert done.returncode == status
    assert message in done.stderr


def test_without_the_archiver_the_commands_say_so(tmp_path: Path, free_ports: Callable[[int], list[int]]):
    done = Site(tmp_path, free_ports(3)).run("archive", "status")
    assert done.returncode == 1
    assert "the archiver does not answer at http://127.0.0.1:" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_bad_archiver_file_is_one_line(tmp_path: Path, free_ports: Callable[[int], list[int]]):
    site = Site(tmp_path, free_ports(3))
    (site.folder / "archiver.yaml").write_text("policies:\n  - {pattern: x, archive: often}\n")
    done = site.run("archiver")
    assert done.returncode == 1
    assert done.stderr == (
        f'Error: {site.folder}/archiver.yaml:2: policies.0.archive: expected "monitor, SECONDS", "scan, SECONDS" or off,'
        " found 'often'\n"
    )
