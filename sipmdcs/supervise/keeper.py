"""Starts processes again that died: an event listener of supervisord (supervisord.org/events.html).

``python -m sipmdcs.supervise.keeper FILE``: events come on stdin, answers go to stdout; ``FILE`` tells ``status`` how often
each process was restarted and when the next start is due. It lives and dies with supervisord.
"""

from __future__ import annotations

import json
import logging
import os
import select
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO

from sipmdcs.errors import ServiceError
from sipmdcs.logs import configure_logging
from sipmdcs.supervise.backoff import Backoff, History
from sipmdcs.supervise.client import SupervisorClient

DEAD = ("EXITED", "FATAL")
EVENTS = tuple(f"PROCESS_STATE_{state}" for state in DEAD)
"""What supervisord has to tell."""

_log = logging.getLogger(__name__)


class Keeper:
    """Histories of all processes by full name; the clock is wall time, since other processes read the due times."""

    def __init__(self, supervisor: SupervisorClient, file: Path, policy: Backoff) -> None:
        self._supervisor = supervisor
        self._file = file
        self._policy = policy
        self.histories = read_histories(file)

    def look_around(self, now: float) -> None:
        """Plan a start for every process that is dead without one planned: after an event, or after a restart of the keeper."""
        for info in self._supervisor.processes():
            history = self.histories.get(info.full_name, History())
            if info.state in DEAD and history.due is None:
                history = history.died(now, info.ran_s, self._policy)
                _log.warning("%s died, starts again in %.1f s", info.name, (history.due or now) - now)
                self.histories[info.full_name] = history
        self._save()

    def start_due(self, now: float) -> None:
        """Start what is due."""
        for name, history in self.histories.items():
            if history.due is not None and history.due <= now:
                try:
                    self._supervisor.start(name)
                except ServiceError as err:
                    self.histories[name] = history.died(now, 0.0, self._policy)
                    _log.error("%s: %s", name, err)
                else:
                    self.histories[name] = history.started()
                    _log.info("%s started again", name)
                self._save()

    def wait_s(self, now: float) -> float | None:
        """Seconds until something is due, ``None`` if nothing is."""
        due = [history.due for history in self.histories.values() if history.due is not None]
        return max(0.0, min(due) - now) if due else None

    def _save(self) -> None:
        write_histories(self._file, self.histories)


def read_histories(file: Path) -> dict[str, History]:
    """What a keeper wrote; empty if there was none."""
    if not file.is_file():
        return {}
    return {name: History(**entry) for name, entry in json.loads(file.read_text("utf-8")).items()}


def write_histories(file: Path, histories: Mapping[str, History]) -> None:
    """Replace the file at once, so that no reader sees half of it."""
    temporary = file.with_suffix(".new")
    temporary.write_text(json.dumps({name: asdict(history) for name, history in histories.items()}), "utf-8")
    temporary.replace(file)


def run(keeper: Keeper, events: BinaryIO, answers: BinaryIO) -> None:
    """Serve until supervisord closes ``events``."""
    _answer(answers, b"READY\n")
    while True:
        try:
            keeper.look_around(time.time())
            keeper.start_due(time.time())
        except ServiceError as err:
            _log.error("%s; trying again", err)
            timeout = 1.0
        else:
            timeout = keeper.wait_s(time.time())
        readable, _, _ = select.select([events], [], [], timeout)
        if readable:
            header = events.readline()
            if not header:
                return
            fields = dict(field.split(b":", 1) for field in header.split())
            events.read(int(fields[b"len"]))  # the payload tells less than looking around does
            _answer(answers, b"RESULT 2\nOK")
            _answer(answers, b"READY\n")


def _answer(answers: BinaryIO, text: bytes) -> None:
    answers.write(text)
    answers.flush()


def main() -> None:
    """Entry of the process."""
    configure_logging("info")
    socket = Path(os.environ["SUPERVISOR_SERVER_URL"].removeprefix("unix://"))
    run(Keeper(SupervisorClient(socket), Path(sys.argv[1]), Backoff()), sys.stdin.buffer, sys.stdout.buffer)


if __name__ == "__main__":
    main()
