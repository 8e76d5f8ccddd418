"""The service ``memcached``: the real server as a child process, watched, its figures as PVs."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import logging
import os
import shutil
import sys

from pymemcache.client.base import Client
from pymemcache.exceptions import MemcacheError

from agents.memcached_figures import Figures
from sipmdcs.errors import ServiceError
from sipmdcs.service import Service, run_service
from sipmdcs.site import HttpService, Site

SERVICE = "memcached"
PROGRAM = "memcached"

_FIGURES_S = 1.0
_START_S = 20.0
_ANSWER_S = 2.0
_END_S = 3.0
_PLACES = ("/usr/bin", "/usr/local/bin", "/usr/sbin", "/usr/local/sbin", "/opt/homebrew/bin")

_log = logging.getLogger(__name__)


async def run_memcached(site: Site, memory_MB: int, connections: int) -> None:
    """Run memcached until told to end.

    Args:
        site: says address and port.
        memory_MB: what entries may take.
        connections: clients at once.

    Raises:
        ServiceError: it is not installed, cannot listen, ends, or does not answer.
    """
    program = find_program()

    async def body(service: Service) -> None:
        process = await asyncio.create_subprocess_exec(*_command(program, site.file.memcached, memory_MB, connections))
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_until_it_ends(process), name="process")
                group.create_task(_report(service), name="figures")
        finally:
            await _end(process)

    await run_service(site, SERVICE, site.service_records(SERVICE), body)


def find_program() -> str:
    """Path of memcached.

    Raises:
        ServiceError: it is not installed.
    """
    found = shutil.which(PROGRAM, path=os.pathsep.join((os.environ.get("PATH", ""), *_PLACES)))
    if found is None:
        raise ServiceError(
            "memcached is not installed; on Debian: apt install memcached, or take it out of services in site.yaml"
        )
    return found


def _command(program: str, address: HttpService, memory_MB: int, connections: int) -> list[str]:
    # As the present user: to change to another one would undo the tie to this process, and root may not be left unsaid.
    user = ["-u", getpass.getuser()] if os.geteuid() == 0 else []
    where = ["-l", address.interface, "-p", str(address.port), "-U", "0"]
    tether = [sys.executable, "-P", "-m", "agents.tether", str(os.getpid()), program]
    return [*tether, *where, "-m", str(memory_MB), "-c", str(connections), *user]


async def _until_it_ends(process: asyncio.subprocess.Process) -> None:
    status = await process.wait()
    raise ServiceError(f"memcached ended with status {status}")


async def _report(service: Service) -> None:
    address = service.site.file.memcached
    client = Client((address.interface, address.port), connect_timeout=_ANSWER_S, timeout=_ANSWER_S)
    figures = Figures()
    try:
        await _wait_for_it(client, address)
        service.ready()
        while True:
            try:
                stats = await asyncio.to_thread(client.stats)
            except (OSError, MemcacheError) as err:
                raise ServiceError(f"memcached at {address.interface}:{address.port} does not answer: {err}") from err
            values = figures.take(stats, service.clock.monotonic())
            service.publisher.post({service.pv(name): value for name, value in values.items()})
            await asyncio.sleep(_FIGURES_S)
    finally:
        client.close()


async def _wait_for_it(client: Client, address: HttpService) -> None:
    try:
        async with asyncio.timeout(_START_S):
            while True:
                with contextlib.suppress(OSError, MemcacheError):
                    await asyncio.to_thread(client.version)
                    return
                await asyncio.sleep(0.05)
    except TimeoutError:
        message = f"memcached does not answer at {address.interface}:{address.port} within {_START_S:g} s"
        raise ServiceError(message) from None


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), _END_S)
    except TimeoutError:
        process.kill()
        await process.wait()
