"""The archiver as a process, on a real EPICS Base IOC, asked over HTTP."""

import itertools
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.archiver.processes import ArchiverProcess, base_ioc, ca_environment, iso, wait_until

pytestmark = pytest.mark.timeout(180)  # processes of their own, on a machine that may be busy

COUNTERS = 50
DATABASE = (
    "".join(
        f'record(calc, "T:{number}") {{ field(CALC, "VAL+1") field(SCAN, ".1 second") field(EGU, "n") field(PREC, "2") }}\n'
        for number in range(COUNTERS)
    )
    + """
record(mbbo, "T:STATE") { field(ZRST, "OFF") field(ONST, "RAMPING UP") field(VAL, "1") field(PINI, "YES") }
record(stringout, "T:TEXT") { field(VAL, "as found") field(PINI, "YES") }
record(longout, "T:WHOLE") { field(VAL, "-7") field(PINI, "YES") }
record(ao, "T:REAL") { alias("T:ALIAS") field(VAL, "2.5") field(HIHI, "9") field(PINI, "YES") }
record(waveform, "T:WAVE") { field(FTVL, "DOUBLE") field(NELM, "3") field(INP, [1.5, 2.5, 3.5]) field(PINI, "YES") }
"""
)
NAMES = [
    *(f"T:{number}" for number in range(COUNTERS)),
    "T:STATE",
    "T:TEXT",
    "T:WHOLE",
    "T:WAVE",
    "T:NEVER",
    "T:REAL.VAL",
    "T:ALIAS",
    "T:ALIAS.HIHI",
]


@pytest.fixture
def environment(free_ports: Callable[[int], list[int]]) -> dict[str, str]:
    return ca_environment(*free_ports(2))


@pytest.fixture
def archiver(tmp_path: Path, environment: dict[str, str], free_port: int) -> Iterator[ArchiverProcess]:
    archiver = ArchiverProcess(tmp_path, NAMES, free_port, environment)
    yield archiver
    archiver.close()


def seen(archiver: ArchiverProcess, pv: str, since: float) -> int:
    return len(archiver.history(pv, since, time.time() + 10))


def values(samples: list[dict]) -> list[int]:
    return [int(sample["val"]) for sample in samples]


def stamps(samples: list[dict]) -> list[float]:
    return [sample["secs"] + sample["nanos"] / 1e9 for sample in samples]


def test_killed_it_loses_nothing_older_than_a_second_and_nothing_after_it_is_back(tmp_path, environment, archiver):
    start = time.time()
    with base_ioc(tmp_path, DATABASE, environment):
        archiver.start()
        wait_until(lambda: seen(archiver, "T:0", start) > 10, "a second of samples")
        archiver.client.post("/mgmt/bpl/compactLog")
        wait_until(lambda: any((tmp_path / "archive" / "lake").rglob("*.parquet")), "files in the lake")
        wait_until(lambda: seen(archiver, "T:0", start) > 20, "more samples")
        archiver.kill()
        killed = time.time()
        archiver.start()
        restarted = time.time()
        wait_until(lambda: seen(archiver, "T:0", restarted) > 12, "samples after the restart")
        end = time.time()
        archiver.client.post("/mgmt/bpl/compactLog")
        for number in range(COUNTERS):
            samples = archiver.history(f"T:{number}", start, end - 1)[1:]
            steps = list(itertools.pairwise(zip(values(samples), stamps(samples), strict=True)))
            gaps = [(before, after) for (one, before), (two, after) in steps if two != one + 1]
            assert len(gaps) <= 1, f"T:{number}: every value but those of the restart is there"
            for before, after in gaps:
                assert before > killed - 1, f"T:{number}: lost what was {killed - before:.1f} s old"
                assert after < restarted + 1, f"T:{number}: not back {after - restarted:.1f} s after the restart"
            after_gap = next(sample for sample in samples if stamps([sample])[0] > killed)
            assert after_gap["fields"]["startup"] == "true"
            lost, regained = (int(after_gap["fields"][f"cnx{word}epsecs"]) for word in ("lost", "regained"))
            assert killed - 2 <= lost <= killed
            assert killed - 1 <= regained <= restarted + 1
    assert archiver.terminate() == 0


def test_an_archive_deleted_while_it_runs_costs_what_was_in_it_and_heals(tmp_path, environment, archiver):
    archive = tmp_path / "archive"
    start = time.time()
    with base_ioc(tmp_path, DATABASE, environment):
        archiver.start()

        def ask(pv: str) -> httpx.Response:
            return archiver.client.get(
                "/retrieval/data/getData.json", params={"pv": pv, "from": iso(start), "to": iso(start + 99)}
            )

        wait_until(lambda: seen(archiver, "T:0", start) > 5 and ask("T:REAL").is_success, "samples")
        for _ in range(2):  # several files of each PV that changes
            before = len(list(archive.rglob("scalar/**/*.parquet")))
            archiver.client.post("/mgmt/bpl/compactLog")
            wait_until(lambda before=before: len(list(archive.rglob("scalar/**/*.parquet"))) > before, "files in the lake")
            count = seen(archiver, "T:0", start)
            wait_until(lambda count=count: seen(archiver, "T:0", start) > count + 5, "more samples")
        for path in (archive / "lake", archive / "log"):
            shutil.rmtree(path)
        for path in (*archive.glob("catalogue.sqlite*"), archive / "pvs.csv"):
            path.unlink()
        lost = ask("T:REAL")
        assert (lost.status_code, lost.text.count("lost or damaged")) == (404, 1)
        reply = ask("T:0")
        assert reply.json()[0]["meta"]["incomplete"] == "true"
        wait_until(lambda: ask("T:REAL").is_success, "a PV that does not change is known again")
        known = time.time()
        wait_until(lambda: seen(archiver, "T:0", known) > 30, "samples after that")
        killed = time.time()
        archiver.kill()
        archiver.start()
        after = values(archiver.history("T:0", known, killed - 1))
        assert after == list(range(after[0], after[0] + len(after)))
        assert len(after) > 15
        assert ask("T:REAL").json()[0]["data"][-1]["val"] == 2.5
    assert "Traceback" not in (tmp_path / "archiver.log").read_text()


def test_values_of_every_kind_and_what_pvs_say_about_themselves(tmp_path, environment, archiver):
    with base_ioc(tmp_path, DATABASE, environment):
        archiver.start()
        wait_until(lambda: len(archiver.history("T:WAVE", 0, time.time() + 10)) == 1, "a waveform")

        def told() -> bool:
            info = archiver.client.get("/mgmt/bpl/getPVTypeInfo", params={"pv": "T:WAVE"}).json()
            return info["DBRType"] == "DBR_WAVEFORM_DOUBLE"

        wait_until(told, "metadata")
        expected = {"T:STATE": 1, "T:TEXT": "as found", "T:WHOLE": -7, "T:WAVE": [1.5, 2.5, 3.5]}
        for pv, value in expected.items():
            (sample,) = archiver.history(pv, 0, time.time() + 10)
            assert sample["val"] == value
            assert type(sample["val"]) is type(value)
        meta = archiver.client.get("/retrieval/bpl/getMetadata", params={"pv": "T:STATE"}).json()
        assert (meta["ENUM_0"], meta["ENUM_1"]) == ("OFF", "RAMPING UP")
        meta = archiver.client.get("/retrieval/bpl/getMetadata", params={"pv": "T:0"}).json()
        assert (meta["EGU"], meta["PREC"]) == ("n", "2")
        for pv, value in (("T:REAL", 2.5), ("T:REAL.HIHI", 9), ("T:ALIAS.HIHI", 9)):
            names = (pv, pv.replace("REAL", "ALIAS"), f"{pv}.VAL", f"{pv.replace('REAL', 'ALIAS')}.VAL")
            for name in names if "." not in pv else names[:2]:
                wait_until(lambda name=name: len(archiver.history(name, 0, time.time() + 10)) == 1, f"{name} is known")
                assert archiver.history(name, 0, time.time() + 10)[0]["val"] == value, name
        states = archiver.client.get("/mgmt/bpl/getPVStatus", params={"pv": "T:REAL*,T:ALIAS*"}).json()
        being_archived = sorted(one["pvName"] for one in states if one["status"] == "Being archived")
        assert len({name.partition(".")[2] for name in being_archived}) == len(being_archived) == 2, "each once"
        never = archiver.client.get("/mgmt/bpl/getPVStatus", params={"pv": "T:NEVER"}).json()[0]
        assert (never["status"], never["connectionState"]) == ("Initial sampling", "false")


@pytest.mark.slow  # libca looks for a lost server again after ten seconds
def test_an_ioc_that_dies_and_comes_back_shows_as_a_gap(tmp_path, environment, archiver):
    start = time.time()
    with base_ioc(tmp_path, DATABASE, environment):
        archiver.start()
        wait_until(lambda: seen(archiver, "T:0", start) > 5, "samples")
    died = time.time()

    def disconnected() -> bool:
        status = archiver.client.get("/mgmt/bpl/getPVStatus", params={"pv": "T:0"}).json()[0]
        return status["connectionState"] == "false"

    wait_until(disconnected, "disconnection is noticed")
    with base_ioc(tmp_path, DATABASE, environment):
        wait_until(lambda: seen(archiver, "T:0", died) > 5, "samples after the restart")
        marked = [sample for sample in archiver.history("T:0", start, time.time()) if "fields" in sample]
    assert len(marked) == 1
    lost, regained = (int(marked[0]["fields"][f"cnx{word}epsecs"]) for word in ("lost", "regained"))
    assert died - 1 <= lost <= regained <= time.time()


def test_an_archive_that_is_in_use_is_refused_in_one_line(tmp_path, environment, archiver, free_ports):
    archiver.start()
    other = ArchiverProcess(tmp_path, NAMES, free_ports(1)[0], environment)
    status, said = other.fail()
    other.close()
    assert status == 1
    assert said == f"Error: {tmp_path}/archive: another process archives here\n"
