"""An hour of data taking on PostgreSQL, 120 times faster: runs, downtimes, an IV scan; then everything that may fail fails."""

import csv
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from playwright.sync_api import sync_playwright
from pymemcache.client.base import Client
from sqlalchemy import create_engine, text

from tests.postgresql import PostgresServer
from tests.system.conftest import LISTENERS, copy_of_example
from tests.system.installation import EpicsClient, Installation, wait_until
from tests.system.shifter import Shifter, shifter
from tests.web.page.visitor import ARGUMENTS

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]

SCANNED = [f"PADME:HEPVETO:HV17:CH{number:02d}" for number in range(1, 17)]
PATIENCE = 120.0


@pytest.fixture(scope="module")
def server(free_ports: Callable[[int], list[int]]) -> Iterator[PostgresServer]:
    """The site's database, which the last tests stop and start."""
    server = PostgresServer(free_ports(1)[0])
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="module")
def site(
    server: PostgresServer, tmp_path_factory: pytest.TempPathFactory, free_ports: Callable[[int], list[int]]
) -> Iterator[Installation]:
    """The example, its tables imported and pushed, all channels on."""
    folder = tmp_path_factory.mktemp("second") / "padme"
    with copy_of_example(folder, free_ports(len(LISTENERS) + 1), database=server.url) as found:
        mappings = [word for name in ("pveto", "eveto") for word in ("--mapping", str(folder / f"{name}_mapping.csv"))]
        found.run("config", "import", "--channels", str(folder / "channels.csv"), *mappings)
        found.run("up", "--timeout", "180", timeout=240)
        found.run("config", "push")
        with found.epics() as epics:
            epics.ask("put", values={f"{prefix}:ALL_ON": 1 for prefix in controllers(folder)}, timeout=60)
        yield found


@pytest.fixture(scope="module")
def epics(site: Installation) -> Iterator[EpicsClient]:
    with site.epics() as client:
        yield client


@pytest.fixture(scope="module")
def hour(site: Installation) -> Installation:
    """The scripted hour, played to its end, its pop-up answered on the keyboard."""
    with shifter() as somebody:
        player = subprocess.Popen(
            [str(Path(sys.executable).with_name("sipmdcs")), "play", str(site.folder / "hour.yaml"), "--speed", "120"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=site.environment | somebody.environment,
        )
        explain(somebody)
        said, _ = player.communicate(timeout=400)
        assert player.returncode == 0, said
    return site


def explain(somebody: Shifter) -> None:
    """Choose the category, say what happened, give a name, store: without a mouse."""
    somebody.wait_for("why is it down", PATIENCE)
    somebody.type("DAQ")
    somebody.press("Tab")
    somebody.type("event builder hung, restarted")
    somebody.press("Tab", "ctrl+a")
    somebody.type("Ada")
    somebody.press("Return")
    wait_until(lambda: not somebody.sees("why is it down"), PATIENCE, "the pop-up closed")


def controllers(folder: Path) -> list[str]:
    """Prefixes of all controllers of the site."""
    site = yaml.safe_load((folder / "site.yaml").read_text("utf-8"))
    return [f"PADME:{entry['subsystem']}:{name}" for name, entry in site["controllers"].items()]


def rows(server: PostgresServer, query: str, **values: Any) -> list[dict[str, Any]]:
    """What an independent client of the database sees."""
    engine = create_engine(server.url)
    try:
        with engine.connect() as connection:
            return [dict(row) for row in connection.execute(text(query), values).mappings()]
    finally:
        engine.dispose()


def test_three_physics_runs_and_the_scan_have_numbers_of_their_own(hour: Installation, server: PostgresServer) -> None:
    found = rows(server, "SELECT * FROM logbook_run ORDER BY number")
    assert [(run["number"], run["type"], run["state"]) for run in found] == [
        (1, "physics", "ended"),
        (2, "physics", "ended"),
        (3, "iv", "ended"),
        (4, "physics", "ended"),
    ]
    assert [run["events"] for run in found if run["type"] == "physics"] == [61_200, 48_900, 20_100]
    assert {(run["config_version"], run["config_push"]) for run in found} == {(1, 1)}
    assert all(run["ended_at"] > run["started_at"] >= run["opened_at"] for run in found)


def test_each_run_ends_with_a_summary_of_the_slow_control(hour: Installation, server: PostgresServer) -> None:
    def done() -> bool:
        return {run["summary"] for run in rows(server, "SELECT summary FROM logbook_run")} == {"done"}

    wait_until(done, PATIENCE, "every run summarised", period=1)
    biases = rows(server, "SELECT * FROM logbook_slow_control WHERE run = 1 AND pv LIKE :pattern", pattern="%:BIAS_RBV")
    assert len(biases) >= 224
    assert all(row["minimum"] <= row["mean"] <= row["maximum"] for row in biases if row["mean"] is not None)
    assert sum(row["mean"] is not None for row in biases) >= 224


def test_the_pop_up_explained_one_downtime_and_the_other_stayed_open_over_a_restart(
    hour: Installation, server: PostgresServer
) -> None:
    first, second = rows(server, "SELECT * FROM logbook_downtime ORDER BY id")
    assert (first["run"], first["subrun"], first["category"], first["description"], first["user_name"]) == (
        1,
        4,
        "DAQ",
        "event builder hung, restarted",
        "Ada",
    )
    assert (second["run"], second["subrun"], second["category"]) == (2, 3, "UNDECIDED")
    runs = {run["number"]: run for run in rows(server, "SELECT * FROM logbook_run")}
    for downtime, before, after in ((first, 1, 2), (second, 2, 4)):
        assert runs[before]["ended_at"] <= downtime["started_at"] < downtime["ended_at"]
        assert downtime["ended_at"] >= runs[after]["opened_at"]
    edits = rows(server, "SELECT field, before, after FROM logbook_downtime_edit WHERE downtime = :id", id=first["id"])
    assert {"field": "category", "before": "UNDECIDED", "after": "DAQ"} in edits


@pytest.fixture(scope="module")
def breakdown(hour: Installation, server: PostgresServer) -> dict[str, dict[str, Any]]:
    """Reco rows of the scan by channel, method ``ild``."""
    query = "SELECT * FROM analysis_reco WHERE run = 3 AND quantity = 'vbr' AND method = 'ild'"
    wait_until(lambda: len(rows(server, query)) == len(SCANNED), PATIENCE, "16 rows of the scan", period=1)
    return {row["channel"]: row for row in rows(server, query)}


def test_the_scan_finds_the_breakdown_voltages_of_the_sensors(
    hour: Installation, breakdown: dict[str, dict[str, Any]], epics: EpicsClient
) -> None:
    with (hour.folder / "channels.csv").open(newline="", encoding="utf-8") as file:
        truth = {row["channel"]: float(row["vbr_V"]) for row in csv.DictReader(file) if row["controller"] == "17"}
    assert sorted(breakdown) == SCANNED
    # The controller tells currents to 1 nA, so that a few of 16 curves may be too coarse for a number; then each says why.
    found = {channel: row["value"] for channel, row in breakdown.items() if row["value"] is not None}
    assert len(found) >= 12, {channel: row["reason"] for channel, row in breakdown.items() if channel not in found}
    assert all(row["reason"] for channel, row in breakdown.items() if channel not in found)
    off = {channel: value - truth[channel[-2:]] for channel, value in found.items()}
    # Each value is as far from the truth as its uncertainty allows.
    assert not {channel: by for channel, by in off.items() if abs(by) > 5 * breakdown[channel]["uncertainty"]}
    assert np.median(np.abs([*off.values()])) < 0.3


def test_the_scan_put_every_channel_back(hour: Installation, epics: EpicsClient) -> None:
    names = [f"{channel}:{suffix}" for channel in SCANNED for suffix in ("BIAS", "BIAS_RBV", "STATE")]
    found = epics.ask("get", names=names)
    assert {found[f"{channel}:STATE"]["value"] for channel in SCANNED} == {4}
    with (hour.folder / "channels.csv").open(newline="", encoding="utf-8") as file:
        volts = {row["channel"]: float(row["vop_V"]) for row in csv.DictReader(file) if row["controller"] == "17"}
    for channel in SCANNED:
        assert found[f"{channel}:BIAS"]["value"] == pytest.approx(volts[channel[-2:]], abs=1e-6)
        assert found[f"{channel}:BIAS_RBV"]["value"] == pytest.approx(volts[channel[-2:]], abs=0.011)


def test_the_result_shows_in_pvs_in_the_api_and_on_the_page(
    hour: Installation, server: PostgresServer, breakdown: dict[str, dict[str, Any]], epics: EpicsClient
) -> None:
    valued = {channel: row for channel, row in breakdown.items() if row["value"] is not None}
    names = [f"{channel}:{suffix}" for channel in valued for suffix in ("VBR", "VBR_TREF", "VBR_TCOEF")]
    raws = rows(server, "SELECT channel, conditions FROM analysis_raw WHERE run = 3")
    temperature_C = {raw["channel"]: raw["conditions"]["temperature_C"] for raw in raws}

    def published() -> bool:
        found = {name: reading["value"] for name, reading in epics.ask("get", names=names).items()}
        shift = {
            channel: found[f"{channel}:VBR_TCOEF"] / 1000 * (temperature_C[channel] - found[f"{channel}:VBR_TREF"])
            for channel in valued
        }
        return all(abs(found[f"{ch}:VBR"] + shift[ch] - row["value"]) < 2e-3 for ch, row in valued.items())

    wait_until(published, PATIENCE, "VBR of every channel with a result", period=1)
    query = "filter[run_number][EQ]=3&filter[method][EQ]=ild&filter[quantity][EQ]=vbr&page[limit]=100"
    answer = hour.http("web", f"/api/v1/reco?{query}")
    told = {row["attributes"]["channel_prefix"]: row["attributes"]["value"] for row in answer["data"]}
    assert told == {channel: row["value"] for channel, row in breakdown.items()}
    program = shutil.which("chromium")
    assert program is not None, "no chromium; run make install"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(ARGUMENTS))
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{hour.ports['web']}/#/runs/3")
        row = page.locator("tr", has_text="Breakdown voltage").filter(has_text="ild")
        row.wait_for(timeout=PATIENCE * 1000)
        mean = sum(one["value"] for one in valued.values()) / len(valued)
        assert float(row.locator("td").nth(2).inner_text()) == pytest.approx(mean, abs=0.02)
        browser.close()


def spectrum(seed: int) -> np.ndarray:
    """2,000 charges of a SiPM without crosstalk: pedestal 100, gain 20, noise 2 ADC counts, 1.5 photo-electrons on average."""
    chance = np.random.default_rng(seed)
    return 100 + 20 * chance.poisson(1.5, 2000) + chance.normal(0, 2, 2000)


def test_a_database_that_stops_in_a_run_a_downtime_and_an_analysis_loses_nothing(
    hour: Installation, server: PostgresServer, tmp_path: Path
) -> None:
    number = json.loads(hour.run("run", "start", "--type", "calibration", "--json").stdout)["number"]
    channels = [f"PADME:PVETO:HV13:CH{n:02d}" for n in range(1, 7)]

    def submit(n: int) -> None:
        path = tmp_path / f"{n}.npy"
        np.save(path, spectrum(n))
        hour.run("analysis", "submit", str(path), "--channel", channels[n], "--kind", "spectrum", "--run", str(number))

    for n in range(3):
        submit(n)
    server.stop()
    try:
        for n in range(3, 6):
            submit(n)
        hour.run("run", "end", str(number), "--events", "7", "--json")
        stop = f"Partition 1 transitioned from Running to Stopped, Last Run/Subrun/Time {number} 9 {{}}"
        hour.run("downtime", "--no-popup", stop.format(_now()))
        following = json.loads(hour.run("run", "start", "--type", "physics", "--json").stdout)["number"]
        start = f"Partition 1 transitioned from Stopped to Running, First Run/Subrun/Time {following} 0 {{}}"
        hour.run("downtime", start.format(_now()))
    finally:
        server.start()
    query = "SELECT * FROM analysis_reco WHERE run = :run AND quantity = 'gain' AND value IS NOT NULL"

    def analysed() -> bool:
        return len(rows(server, query, run=number)) >= 6

    wait_until(analysed, PATIENCE, "6 gains", period=1)
    assert {row["channel"] for row in rows(server, query, run=number)} == set(channels)
    assert all(abs(row["value"] - 20) < 0.5 for row in rows(server, query, run=number))

    def closed() -> bool:
        found = rows(server, "SELECT state, events FROM logbook_run WHERE number = :run", run=number)
        return [(row["state"], row["events"]) for row in found] == [("ended", 7)]

    wait_until(closed, PATIENCE, "the run ended in SQL", period=1)
    wait_until(
        lambda: len(rows(server, "SELECT 1 FROM logbook_run WHERE number = :run", run=following)) == 1,
        PATIENCE,
        "the run that was opened without a database",
        period=1,
    )
    hour.run("run", "end", str(following))
    hour.run("downtime", "--flush")
    (downtime,) = rows(server, "SELECT * FROM logbook_downtime WHERE run = :run", run=number)
    assert downtime["subrun"] == 9
    assert downtime["ended_at"] is not None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def test_the_hot_cache_fills_again_after_memcached_was_away(hour: Installation) -> None:
    key = b"PADME:PVETO:HV13:CH01:BIAS_RBV"

    def cached() -> dict[str, Any] | None:
        client = Client(("127.0.0.1", hour.ports["memcached"]), timeout=5, connect_timeout=5)
        try:
            found = client.get(key)
        except OSError:
            return None
        finally:
            client.close()
        return None if found is None else json.loads(found)

    wait_until(lambda: cached() is not None, PATIENCE, "the cache filled", period=1)
    hour.run("down", "memcached")
    assert cached() is None
    hour.run("up", "memcached")
    wait_until(lambda: cached() is not None, PATIENCE, "the cache filled again", period=1)
    entry = cached()
    assert entry is not None
    assert entry["severity"] in (0, "NO_ALARM")
    assert entry["value"] > 40


def test_everything_still_runs_and_nothing_was_restarted_unasked(hour: Installation) -> None:
    status = hour.status()
    assert {name: service["state"] for name, service in status.items() if service["state"] != "RUNNING"} == {}
    assert {"analysis", "agents", "logbook", "memcached", "scanner", "web"} <= set(status)
