"""The host's end of a worker process."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agents.declaration import Declaration
from agents.declaring import LOAD_TIMEOUT_S, declared_from_json, ending, worker_command, worker_environment
from agents.leftovers import clear
from agents.problem import Problem
from agents.requests import pack

_LONGEST_LINE = 64 << 20
_KILL_S = 5.0
"""How long the kernel may take to end a process; one that it cannot end is left to it."""


class Died(Exception):
    """The process ended instead of answering."""


class Hung(Exception):
    """The process did not answer in time."""


class Child:
    """One worker process, which answers one request at a time."""

    def __init__(self, process: asyncio.subprocess.Process, folder: Path) -> None:
        self._process = process
        self._folder = folder

    @classmethod
    async def start(cls, folders: Path) -> Child:
        """A process without a plugin yet; its temporary files are in a folder of its own below ``folders``.

        Raises:
            OSError: there can be no folder or process.
        """
        pipe = asyncio.subprocess.PIPE
        folder = await asyncio.to_thread(_make_folder, folders)
        environment = worker_environment() | {"TMPDIR": str(folder)}
        try:
            process = await asyncio.create_subprocess_exec(
                *worker_command(), stdin=pipe, stdout=pipe, env=environment, limit=_LONGEST_LINE, start_new_session=True
            )
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return cls(process, folder)

    @property
    def pid(self) -> int:
        """Process number."""
        return self._process.pid

    async def load(self, request: Mapping[str, Any]) -> Declaration:
        """Let it load its plugin.

        Raises:
            Problem: the plugin cannot be used.
            Died: it ended.
            Hung: it took too long.
        """
        declared = declared_from_json(await self.ask(request, LOAD_TIMEOUT_S))
        if isinstance(declared, Problem):
            raise declared
        return declared

    async def ask(self, request: Mapping[str, Any], timeout: float) -> dict[str, Any]:  # noqa: ASYNC109 - it kills at the end
        """Send a request and wait for the answer.

        Raises:
            Died: it ended.
            Hung: it did not answer within ``timeout`` seconds.
        """
        try:
            async with asyncio.timeout(timeout):
                line = await self._exchange(pack(request))
        except TimeoutError:
            raise Hung(f"hung: no answer within {timeout:g} s") from None
        if not line.endswith(b"\n"):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), _KILL_S)
            raise Died(f"its process ended: {ending(self._process.returncode)}")
        return json.loads(line)

    async def _exchange(self, request: bytes) -> bytes:
        assert self._process.stdin is not None  # noqa: S101 - it was made with pipes
        assert self._process.stdout is not None  # noqa: S101
        try:
            self._process.stdin.write(request)
            await self._process.stdin.drain()
            return await self._process.stdout.readline()
        except (ConnectionError, ValueError):
            return b""

    async def kill(self, *, clear_up: bool = True) -> None:
        """End it and whatever it has started, whatever they do, and remove its temporary files.

        Args:
            clear_up: without it what has left its process group, and its files, are left to the caller.
        """
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), _KILL_S)
        if clear_up:
            await asyncio.to_thread(clear, self._folder)


def _make_folder(folders: Path) -> Path:
    folders.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(dir=folders))
