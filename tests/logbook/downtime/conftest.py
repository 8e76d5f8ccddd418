"""A site whose database is SQLite or PostgreSQL, with its downtime logger in this process or as a command."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from logbook.downtime.desk import Desk
from sipmdcs.cli import main
from sipmdcs.clock import ManualClock
from sipmdcs.site import Site

DETECTORS = """\
detectors:
  NEAR: {hosts: ["*"], partitions: [1]}
  FAR: {partitions: [2]}
patience_s: 40  # a busy machine is no dead database
"""

MakeSite = Callable[..., Site]
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def make_site(tmp_path: Path) -> MakeSite:
    """A site folder on a database; its ``downtime.yaml`` is the given text."""

    def make(url: str = "", downtime_yaml: str = DETECTORS) -> Site:
        folder = tmp_path / "site"
        folder.mkdir(exist_ok=True)
        lines = ["name: Test", "prefix: TST", "controllers: {PS1: {driver: c11204, id: '1', subsystem: LAB, port: sim}}"]
        lines += ["iocs: {bench: {controllers: [PS1]}}", *([f"database: {url}"] if url else [])]
        (folder / "site.yaml").write_text("\n".join(lines), "utf-8")
        (folder / "downtime.yaml").write_text(downtime_yaml, "utf-8")
        return Site(folder)

    return make


@pytest.fixture
def clock() -> ManualClock:
    """2026-01-01T00:00:00Z at first."""
    return ManualClock()


@pytest.fixture
def desk(make_site: MakeSite, database_url: str, clock: ManualClock) -> Iterator[Desk]:
    """The logger in this process, on both databases."""
    with Desk(make_site(database_url), clock=clock) as opened:
        yield opened


@pytest.fixture
def environment() -> dict[str, str]:
    """Without display."""
    hidden = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM", "SIPMDCS_SITE")
    return {name: value for name, value in os.environ.items() if name not in hidden}


@pytest.fixture
def run(environment: dict[str, str]) -> Run:
    """``sipmdcs downtime`` as a data acquisition script calls it."""

    def run(site: Site, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "sipmdcs", "--site", str(site.folder), "downtime", *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=50, env=environment | more, stdin=subprocess.DEVNULL, check=False
        )

    return run


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch) -> Run:
    """The same in this process, which is quicker."""
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)

    def call(site: Site, *arguments: str) -> subprocess.CompletedProcess[str]:
        result = CliRunner().invoke(main, ["--site", str(site.folder), "downtime", *arguments])
        return subprocess.CompletedProcess(arguments, result.exit_code, result.stdout, result.stderr)

    return call
