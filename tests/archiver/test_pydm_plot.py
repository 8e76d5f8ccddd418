"""PyDM's own archiver plot draws what the archiver serves, together with live data from EPICS Base."""

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from archiver.rows import ROW, Rows
from archiver.storage import Storage
from sipmdcs.clock import NS, SystemClock
from sipmdcs.pvinfo import ArchiveMethod, ArchivePolicy
from tests.archiver.processes import ArchiverProcess, base_ioc, ca_environment, wait_until

pytestmark = pytest.mark.timeout(180)  # processes of their own, on a machine that may be busy

RAW_S, OPTIMIZED_S = 3600, 40_000
PERIOD_S = 0.5


@pytest.fixture
def archive_with_a_past(tmp_path: Path) -> float:
    """An archive whose PV rose by one every half second until now; where it ended."""
    storage = Storage(tmp_path / "archive", SystemClock())
    (pv_id,) = storage.start({"T:RISING": ArchivePolicy(ArchiveMethod.MONITOR, 1.0)}).values()
    end = time.time()
    count = int((OPTIMIZED_S + 4000) / PERIOD_S)
    rows = np.zeros(count, ROW)
    rows["pv"] = pv_id
    rows["time_ns"] = ((end - PERIOD_S * np.arange(count)[::-1]) * NS).astype(np.int64)
    rows["received_ns"] = rows["time_ns"]
    rows["value"] = np.arange(count)
    storage.log.append(Rows(rows, []))
    storage.log.request_seal()
    storage.log.write()
    storage.maintain()
    storage.close()
    return end


def test_raw_and_optimized_history(tmp_path, archive_with_a_past, free_ports):
    port, repeater, http = free_ports(3)
    environment = ca_environment(port, repeater)
    archiver = ArchiverProcess(tmp_path, ["T:RISING"], http, environment)
    database = 'record(calc, "T:RISING") { field(CALC, "VAL+1") field(SCAN, ".2 second") field(VAL, "88000") }\n'
    with base_ioc(tmp_path, database, environment):
        archiver.start()
        wait_until(lambda: len(archiver.history("T:RISING", time.time() - 10, time.time())) > 3, "live samples")
        said = subprocess.run(
            [sys.executable, "-m", "tests.archiver.pydm_plot", "T:RISING", str(RAW_S), str(OPTIMIZED_S)],
            cwd=Path(__file__).parents[2],
            env=environment
            | {"PYDM_ARCHIVER_URL": f"http://127.0.0.1:{http}", "QT_QPA_PLATFORM": "offscreen", "QT_API": "pyqt6"},
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )
        archiver.close()
    assert said.returncode == 0, said.stderr
    raw, optimized = json.loads(said.stdout.splitlines()[-1])

    def value_at(when: float) -> float:
        count = (OPTIMIZED_S + 4000) / PERIOD_S
        return count - 1 - (archive_with_a_past - when) / PERIOD_S

    for drawn in (raw, optimized):
        assert drawn["connected"]
        assert drawn["points"] > drawn["archived"], "live points after those of the archive"
        assert drawn["x"][0] == pytest.approx(drawn["from"], abs=60)
        assert drawn["y"][0] == pytest.approx(value_at(drawn["x"][0]), abs=60)
    assert RAW_S / PERIOD_S * 0.95 < raw["archived"] <= 18_000
    assert not raw["error_bars"]
    assert 1900 < optimized["archived"] <= 2 * 2000
    assert optimized["error_bars"]
