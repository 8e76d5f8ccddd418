"""The command, its own process, against a real EPICS Base IOC."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from sipmdcs.site import Site
from tests.configtool.conftest import COLUMNS
from tests.postgresql import PostgresServer

pytestmark = pytest.mark.timeout(180)  # commands as processes of their own, on a machine that may be busy

SITE = """
name: Test
prefix: DET
database: "{database}"
channel_access: {{server_port: {server}, repeater_port: {repeater}, address_list: [127.0.0.1]}}
controllers:
  HV07: {{driver: padme-nim, id: "07", subsystem: VETO, port: sim}}
  HV17: {{driver: padme-nim, id: "17", subsystem: VETO, port: sim}}
iocs:
  veto: {{controllers: [HV07, HV17]}}
"""
STUCK = "DET:VETO:HV07:CH03:BIAS"
READ = "import json,sys,epics; print(json.dumps([epics.caget(pv, timeout=5) for pv in sys.argv[1:]]))"


@dataclass(frozen=True)
class Installation:
    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        return os.environ | Site(self.folder).ca_environment()

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "sipmdcs", "--site", str(self.folder), "config", *arguments]

    def run(self, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(self.command(*arguments), check=False, capture_output=True, text=True)
        assert done.returncode == code, done.stderr
        return done

    @contextmanager
    def ioc(self, stuck: str = "none") -> Iterator[None]:
        program = [sys.executable, str(Path(__file__).with_name("base_ioc.py")), stuck, "DET:VETO:HV07", "DET:VETO:HV17"]
        pipe = subprocess.PIPE
        with subprocess.Popen(
            program, stdin=pipe, stdout=pipe, text=True, env=self.environment | {"EPICS_CAS_INTF_ADDR_LIST": "127.0.0.1"}
        ) as process:
            assert process.stdout is not None
            assert process.stdin is not None
            assert any(line == "running\n" for line in process.stdout)
            try:
                yield
            finally:
                process.stdin.close()

    def read(self, *pvs: str) -> list[float]:
        """What an independent client sees."""
        done = subprocess.run(
            [sys.executable, "-c", READ, *pvs], check=True, capture_output=True, text=True, env=self.environment
        )
        return json.loads(done.stdout.splitlines()[-1])

    def settle(self, seconds: str) -> None:
        with sqlite3.connect(self.folder / "var" / "sipmdcs.sqlite") as database:
            database.execute("UPDATE config_parameter SET settle_s = ?", (seconds,))
        database.close()

    @contextmanager
    def pushing(self, until: str) -> Iterator[subprocess.Popen[str]]:
        """A push that has said ``until`` and goes on."""
        with subprocess.Popen(self.command("push"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            assert any(line.startswith(until) for line in process.stderr)
            yield process


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory, rows_of: Callable[..., list[str]]) -> Path:
    """A site whose settings are in SQL."""
    folder = tmp_path_factory.mktemp("imported") / "site"
    folder.mkdir()
    (folder / "site.yaml").write_text(SITE.format(server=1, repeater=2, database=""))
    rows = [COLUMNS, *rows_of("07"), *rows_of("17", overvoltage=3.0)]
    (folder / "channels.csv").write_text("\n".join(rows) + "\n")
    Installation(folder).run("import", "--channels", str(folder / "channels.csv"))
    return folder


@pytest.fixture
def installation(tmp_path: Path, free_ports: Callable[[int], list[int]], imported: Path) -> Installation:
    server, repeater = free_ports(2)
    folder = tmp_path / "site"
    shutil.copytree(imported, folder)
    (folder / "site.yaml").write_text(SITE.format(server=server, repeater=repeater, database=""))
    return Installation(folder)


def test_values_arrive_and_are_verified(installation: Installation) -> None:
    pvs = [
        f"DET:VETO:HV{c}:CH{n:02d}:{what}"
        for c in ("07", "17")
        for n in (1, 16)
        for what in ("BIAS_RBV", "VBR", "CURRENT_LIMIT")
    ]
    with installation.ioc():
        assert installation.run("push").stdout.splitlines()[-1] == (
            "push 1 verified: 96 values agree, 96 written, 0 were right already"
        )
        assert installation.read(*pvs) == [55.01, 50.01, 50.0, 55.16, 50.16, 50.0, 53.01, 50.01, 50.0, 53.16, 50.16, 50.0]
        assert json.loads(installation.run("push", "--json").stdout)["to_write"] == 0
        drift = json.loads(installation.run("diff", "--json").stdout)
        # The limits of this IOC are not those that would be rendered.
        assert {one["needs"] for one in drift["differences"]} == {"render"}


def test_a_stuck_readback_is_rolled_back(installation: Installation) -> None:
    installation.settle("1")
    with installation.ioc(STUCK):
        error = installation.run("push", code=1).stderr.splitlines()[-1]
        assert error == f"push 1 rolled_back: {STUCK}: clamped to 1.000 V: {STUCK}_RBV holds it instead of 55.030 V"
        assert installation.read("DET:VETO:HV17:CH01:BIAS_RBV", "DET:VETO:HV17:CH01:VBR", STUCK) == [1.0, 1.0, 1.0]


def test_a_readback_that_agreed_before_and_is_updated_no_more_proves_nothing(installation: Installation) -> None:
    installation.settle("1")
    with installation.ioc(f"{STUCK}=55.03"):
        said = installation.run("push", code=1).stderr.splitlines()
        assert said[-1].startswith(f"push 1 rollback_failed: {STUCK}: unknown: {STUCK}_RBV was not updated since the write")
        assert [line for line in said if line.startswith("not restored: ")] != []
        assert installation.read("DET:VETO:HV17:CH01:BIAS_RBV", "DET:VETO:HV17:CH01:VBR", STUCK) == [1.0, 1.0, 1.0]


def test_ctrl_c_rolls_back(installation: Installation) -> None:
    with installation.ioc(STUCK):
        with installation.pushing("writing, phase 2") as process:
            assert process.stderr is not None
            assert any(line.startswith("verifying") for line in process.stderr)
            process.send_signal(signal.SIGINT)
            last = process.stderr.read().splitlines()[-1]
            assert process.wait(60) == 1
        assert last == "push 1 rolled_back: interrupted by SIGINT"
        assert installation.read("DET:VETO:HV17:CH01:BIAS_RBV", "DET:VETO:HV07:CH01:VBR") == [1.0, 1.0]


def test_kill_9_is_reported_by_the_next_command(installation: Installation) -> None:
    with installation.ioc(STUCK):
        with installation.pushing("writing, phase 2") as process:
            process.kill()
        history = installation.run("history", "--json")
        assert history.stderr.startswith("push 1 of version 1 by ")
        assert "is marked aborted: its client (process " in history.stderr
        assert json.loads(history.stdout)["pushes"][0]["state"] == "aborted"
        assert installation.run("history").stderr == ""
        assert installation.run("push", "--only", "17").stdout.splitlines()[-1].startswith("push 2 verified: 48 values agree")


def test_postgresql_stopped_in_the_middle_is_rolled_back_and_history_says_so_when_it_is_back(
    tmp_path: Path, free_ports: Callable[[int], list[int]], imported: Path
) -> None:
    server, repeater, port = free_ports(3)
    database = PostgresServer(port)
    try:
        database.start()
        folder = tmp_path / "site"
        shutil.copytree(imported, folder, ignore=shutil.ignore_patterns("var"))
        (folder / "site.yaml").write_text(SITE.format(server=server, repeater=repeater, database=database.url))
        site = Installation(folder)
        site.run("import", "--channels", str(folder / "channels.csv"))
        with site.ioc(STUCK):
            with site.pushing("writing, phase 2") as process:
                assert process.stderr is not None
                assert any(line.startswith("verifying") for line in process.stderr)
                database.stop()
                said = process.stderr.read()
                assert process.wait(120) == 1
            assert "push 1 rolled_back: database postgresql+psycopg://" in said
            assert "history says so once the database is back" in said
            assert site.read("DET:VETO:HV17:CH01:BIAS_RBV", "DET:VETO:HV07:CH01:VBR") == [1.0, 1.0]
            database.start()
            history = site.run("history", "--json")
            (push,) = json.loads(history.stdout)["pushes"]
            assert push["state"] == "rolled_back"
            assert history.stderr.startswith("push 1 of version 1 by ")
            assert "died" not in history.stderr + push["reason"]
            assert " verified: 48 values agree" in site.run("push", "--only", "17").stdout.splitlines()[-1]
    finally:
        database.remove()
