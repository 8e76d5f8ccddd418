"""A service with its real Channel Access server, seen by a client."""

import asyncio
import json
import logging
import os
import resource
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sipmdcs import __version__
from sipmdcs.clock import ManualClock
from sipmdcs.epicsdb import Record
from sipmdcs.errors import ServiceError
from sipmdcs.logs import ErrorCounter
from sipmdcs.publisher import open_publisher
from sipmdcs.service import Service, ready_file, run_service
from sipmdcs.site import Site
from sipmdcs.vital_signs import VitalSigns
from tests.system.installation import EpicsClient

PROGRAM = """
    import asyncio, logging, sys
    from pathlib import Path
    from sipmdcs.service import run_service
    from sipmdcs.site import Site

    async def body(service):
        logging.getLogger("work").error("disk is full of %s\\nsecond line", "ü" * 30)
        service.ready()
        try:
            await asyncio.Event().wait()
        finally:
            sys.stdout.write("flushed")

    site = Site(Path(sys.argv[1]))
    asyncio.run(run_service(site, "bench", site.service_records("bench", "ioc"), body))
"""


@pytest.fixture
def site(tmp_path: Path, free_ports: Callable[[int], list[int]], monkeypatch: pytest.MonkeyPatch) -> Site:
    server, repeater = free_ports(2)
    (tmp_path / "site.yaml").write_text(
        textwrap.dedent(f"""\
            name: Test
            prefix: TST
            channel_access: {{server_port: {server}, repeater_port: {repeater}}}
            controllers:
              PS1: {{driver: c11204, id: "1", subsystem: LAB, port: sim}}
            iocs:
              bench: {{controllers: [PS1]}}
            """),
        "utf-8",
    )
    site = Site(tmp_path)
    for name, value in site.ca_environment().items():
        monkeypatch.setenv(name, value)
    return site


@pytest.fixture
def client(site: Site) -> Iterator[EpicsClient]:
    """pyepics in a process of its own."""
    client = EpicsClient(os.environ | site.ca_environment())
    yield client
    client.close()


def _wait(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


@pytest.fixture
def process(site: Site) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", textwrap.dedent(PROGRAM), str(site.folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def test_vital_signs_and_clean_end(site: Site, process: subprocess.Popen[str], client: EpicsClient) -> None:
    def get(suffix: str) -> Any:
        name = f"TST:SYS:BENCH:{suffix}"
        return client.ask("get", names=[name])[name]["value"]

    _wait(ready_file(site, "bench").is_file, "not ready")
    assert json.loads(ready_file(site, "bench").read_text("utf-8"))["pid"] == process.pid
    assert get("VERSION") == __version__
    assert get("PID") == process.pid
    first = get("HEARTBEAT")
    _wait(lambda: get("HEARTBEAT") > first + 1, "the heart does not beat")
    assert 0 < get("UPTIME") < 60
    assert get("MEMORY") > 10
    assert get("CPU") >= 0
    assert get("ERRORS") == 1
    assert get("ERROR_RATE") == 1
    last = get("LAST_ERROR")
    assert last.startswith("disk is full of ü")
    assert len(last.encode()) in (38, 39), "cut between characters, not inside one"
    assert get("PID.ASG") == "READBACK", "clients may not write it"
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=10)
    assert process.returncode == 0, err
    assert out == "flushed"
    assert not ready_file(site, "bench").exists()


async def test_end_of_the_body_ends_the_service(site: Site) -> None:
    seen: list[str] = []

    async def body(service: Service) -> None:
        seen.append(service.pv("X"))
        service.ready()
        assert ready_file(site, "bench").is_file()

    await run_service(site, "bench", site.service_records("bench", "ioc"), body, clock=ManualClock())
    assert seen == ["TST:SYS:BENCH:X"]
    assert not ready_file(site, "bench").exists()


async def test_error_of_the_body_ends_the_service_and_is_raised(site: Site) -> None:
    async def body(_: Service) -> None:
        raise ServiceError("the disk is gone")

    with pytest.raises(ExceptionGroup) as caught:
        await run_service(site, "bench", site.service_records("bench", "ioc"), body)
    assert [str(err) for err in caught.value.exceptions] == ["the disk is gone"]


async def test_cancelled_service_cancels_its_body_and_forgets_its_handlers(site: Site) -> None:
    before = logging.getLogger().handlers.copy()
    started, ended = asyncio.Event(), asyncio.Event()

    async def body(_: Service) -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    task = asyncio.create_task(run_service(site, "bench", site.service_records("bench", "ioc"), body))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()
    assert logging.getLogger().handlers == before


async def test_sigterm_is_a_normal_end(site: Site) -> None:
    async def body(_: Service) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.Event().wait()

    await run_service(site, "bench", site.service_records("bench", "ioc"), body)


async def test_given_publisher_is_used(site: Site) -> None:
    records: list[Record] = site.service_records("bench", "ioc")
    publisher = open_publisher(records, site.access_file)

    async def body(service: Service) -> None:
        assert service.publisher is publisher
        assert service.publisher.value("TST:SYS:BENCH:PID") == os.getpid(), "vital signs are there before the work begins"

    await run_service(site, "bench", records, body, publisher=publisher)


def test_stale_ready_file_of_a_killed_process_is_removed_first(site: Site) -> None:
    path = ready_file(site, "bench")
    path.parent.mkdir(parents=True)
    path.write_text('{"pid": 1}', "utf-8")

    async def body(_: Service) -> None:
        assert not path.exists()

    asyncio.run(run_service(site, "bench", site.service_records("bench", "ioc"), body))


async def test_a_process_without_free_descriptors_keeps_its_heartbeat(site: Site) -> None:
    """And says once what it cannot measure; the work goes on."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    messages: list[str] = []
    handler = logging.Handler(logging.ERROR)
    handler.emit = lambda record: messages.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("sipmdcs").addHandler(handler)

    async def body(service: Service) -> None:
        async def beats(count: int) -> bool:
            """Whether the heart beats so many times more."""
            goal = service.publisher.value(service.pv("HEARTBEAT")) + count  # type: ignore[operator]
            for _ in range(600):
                await asyncio.sleep(0.05)
                if service.publisher.value(service.pv("HEARTBEAT")) >= goal:  # type: ignore[operator]
                    return True
            return False

        assert await beats(1), "the server listens by then"
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
        assert await beats(2)

    try:
        await run_service(site, "bench", site.service_records("bench", "ioc"), body)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        logging.getLogger("sipmdcs").removeHandler(handler)
    assert messages == []


async def test_vital_signs_that_cannot_be_posted_do_not_end_the_service(site: Site) -> None:
    """A template of the site without some of them, and a publisher that fails."""
    errors = ErrorCounter()
    logging.getLogger("sipmdcs").addHandler(errors)
    records = [record for record in site.service_records("bench", "ioc") if not record.name.endswith((":CPU", ":PID"))]
    try:

        async def body(service: Service) -> None:
            for _ in range(3):
                VitalSigns(service.publisher, service.pv, ManualClock(), errors).post()
            assert service.publisher.value(service.pv("HEARTBEAT")) == 0
            signs = VitalSigns(service.publisher, service.pv, ManualClock(), errors)
            before = errors.count
            for _ in range(5):
                signs.post()
            assert service.publisher.value(service.pv("HEARTBEAT")) == 4
            assert errors.count == before + 2, "each is said once"

        await run_service(site, "bench", records, body)
    finally:
        logging.getLogger("sipmdcs").removeHandler(errors)


async def test_a_disk_that_takes_no_ready_file_does_not_end_the_service(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sipmdcs.service._READY_RETRY_S", 0.05)
    run = ready_file(site, "bench").parent

    async def body(service: Service) -> None:
        run.rmdir()
        run.write_text("a file where the folder should be")
        service.ready()
        run.unlink()
        for _ in range(200):
            await asyncio.sleep(0.05)
            if ready_file(site, "bench").exists():
                return
        pytest.fail("not said again")

    run.mkdir(parents=True)
    await run_service(site, "bench", site.service_records("bench", "ioc"), body)
