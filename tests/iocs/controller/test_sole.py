"""One process of an IOC at a time."""

import asyncio
import os
from pathlib import Path

import pytest

from iocs.sole import sole_process
from sipmdcs.errors import ServiceError


async def test_a_second_one_is_refused_and_told_who_runs(tmp_path: Path) -> None:
    path = tmp_path / "var" / "one.lock"
    async with sole_process(path, "IOC one"):
        with pytest.raises(ServiceError, match=rf"^IOC one runs already, as process {os.getpid()}$"):
            async with sole_process(path, "IOC one", patience_s=0.2):
                pytest.fail("two at once")
    async with sole_process(path, "IOC one"):
        assert path.read_text() == str(os.getpid())


async def test_one_that_is_about_to_end_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "one.lock"
    entered = asyncio.Event()

    async def first() -> None:
        async with sole_process(path, "IOC one"):
            entered.set()
            await asyncio.sleep(0.3)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(first())
        await entered.wait()
        async with sole_process(path, "IOC one", patience_s=30):
            pass


async def test_a_disk_that_takes_no_lock_stops_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    async with sole_process(tmp_path / "file" / "one.lock", "IOC one"):
        pass
    assert "nothing keeps a second process away" in caplog.text
