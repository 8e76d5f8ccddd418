"""Workers that hang, with real processes."""

import asyncio
import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from analysis.chain import pool
from analysis.chain.inbox import deliver
from analysis.chain.pool import Pool, WorkerLostError
from analysis.chain.task import Task
from analysis.fit.simulate import Spectrum
from analysis.outcome import Kind


@pytest.mark.timeout(200)
def test_a_worker_that_hangs_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    charges = Spectrum().draw(np.random.default_rng(1), 1000)
    good = deliver(tmp_path, key="good", channel="A:B:C:CH01", kind=Kind.SPECTRUM, array=charges, conditions={}, run=1)
    hanging = tmp_path / "hanging.npz"
    os.mkfifo(hanging)

    async def scenario() -> None:
        workers = Pool("", 1)
        try:
            await workers.open()
            monkeypatch.setattr(pool, "HANGING_S", 1.0)
            with pytest.raises(WorkerLostError, match="did not end within 1 s"):
                await workers.run([Task(1, "", hanging)])
            monkeypatch.setattr(pool, "HANGING_S", 120.0)
            (reply,) = await workers.run([Task(2, hashlib.sha256(good.read_bytes()).hexdigest(), good)])
            assert reply.outcomes
        finally:
            await workers.close()

    asyncio.run(scenario())


def test_a_task_that_computes_for_ever_ends_its_worker() -> None:
    code = "from analysis.chain.worker import limit_processor_time; limit_processor_time(0)\nwhile True: pass"
    done = subprocess.run([sys.executable, "-c", code], timeout=55, check=False)
    assert done.returncode == -signal.SIGXCPU
