"""Starts processes again that died, and ends those that hang: an event listener of supervisord (supervisord.org/events.html).

``python -m sipmdcs.supervise.keeper FILE``: events come on stdin, answers go to stdout; ``FILE`` tells ``status`` how often
each process was restarted and when the next start is due. Signs of life come as datagrams (``sipmdcs.notify``). It lives and
dies with supervisord.
"""

from __future__ import annotations

import json
import logging
import os
import select
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO

from sipmdcs import notify
from sipmdcs.errors import ServiceError
from sipmdcs.logs import configure_logging
from sipmdcs.supervise.backoff import Backoff, History
from sipmdcs.supervise.client import ProcessInfo, SupervisorClient
from sipmdcs.supervise.inbox import Inbox
from sipmdcs.supervise.starvation import Starvation
from sipmdcs.supervise.watchdog import Watchdog

DEAD = ("EXITED", "FATAL")
EVENTS = tuple(f"PROCESS_STATE_{state}" for state in (*DEAD, "RUNNING", "STOPPING"))
"""What supervisord has to tell."""

LISTENER = "keeper"
"""Group of this process itself."""
PERIOD_S = 1.0
"""How often signs of life are looked through."""
DUMP_S = 2.0
"""A process that hangs gets SIGABRT, which writes to its log where it hangs, and so long after it SIGKILL."""

_log = logging.getLogger(__name__)


class Keeper:
    """Histories and signs of life of all processes by full name.

    Due times are wall time, since other processes read them; silence is measured by the monotonic clock.
    """

    def __init__(self, supervisor: SupervisorClient, file: Path, policy: Backoff) -> None:
        self._supervisor = supervisor
        self._file = file
        self._policy = policy
        self._watchdog = Watchdog()
        self._starvation = Starvation()
        self._listened = time.monotonic()
        self.histories = read_histories(file)

    def look_around(self, now: float) -> None:
        """Plan a start for every process that is dead without one planned: after an event, or after a restart of the keeper."""
        for info in self._look():
            history = self.histories.get(info.full_name, History())
            if info.state in DEAD and history.due is None:
                history = history.died(now, info.ran_s, self._policy)
                _log.warning("%s died, starts again in %.1f s", info.name, (history.due or now) - now)
                self.histories[info.full_name] = history
        self._save()

    def start_due(self, now: float) -> None:
        """Start what is due."""
        for name, history in self.histories.items():
            if history.is_due(now, self._policy):
                self.histories[name] = history.started()
                self._save()  # first, so that the new process is not seen with the old number of restarts
                try:
                    self._supervisor.start(name)
                except ServiceError as err:
                    self.histories[name] = history.died(now, 0.0, self._policy)
                    self._save()
                    _log.error("%s: %s", name, err)
                else:
                    _log.info("%s started again", name)

    def listen(self, inbox: Inbox) -> None:
        """Take the signs of life that came."""
        now = time.monotonic()
        # Nobody is to blame for what was not heard while this process was stopped or starved.
        self._watchdog = self._watchdog.slept(max(0.0, now - self._listened - 2 * PERIOD_S))
        self._listened = now
        for pid, words in inbox.take():
            self._watchdog = self._watchdog.heard(pid, words, now)
        suspects = self._watchdog.suspects(now)
        self._starvation.forget_others({*suspects.values()})
        for name, pid in suspects.items():
            self._watchdog = self._watchdog.starved(name, self._starvation.since_last_look(pid))

    def end_hung(self) -> None:
        """End every process that has shown no life for too long; what follows is that of any death."""
        if not self._watchdog.hung(time.monotonic()):
            return
        self._look()  # one may have ended meanwhile
        hung = self._watchdog.hung(time.monotonic())
        for name, silence_s in hung.items():
            _log.error("%s shows no life for %.0f s and is ended; its log says where it hangs", name, silence_s)
            self.histories[name] = self.histories.get(name, History()).hung()
            self._supervisor.signal(name, signal.SIGABRT)
        self._save()
        self._watchdog = self._watchdog.ended(hung, time.monotonic())
        deadline = time.monotonic() + DUMP_S
        while left := [info for info in self._look() if info.full_name in hung and info.state == "RUNNING"]:
            if time.monotonic() > deadline:
                for info in left:
                    self._supervisor.signal(info.full_name, signal.SIGKILL)
                return
            time.sleep(DUMP_S / 20)

    def _look(self) -> list[ProcessInfo]:
        infos = [info for info in self._supervisor.processes() if info.group != LISTENER]
        running = [(info.full_name, info.pid) for info in infos if info.state == "RUNNING"]
        self._watchdog = self._watchdog.seen(running, time.monotonic())
        return infos

    def wait_s(self, now: float) -> float:
        """Seconds until something is due or signs of life are looked through."""
        due = [history.due for history in self.histories.values() if history.due is not None]
        return min(PERIOD_S, max(0.0, min(due) - now)) if due else PERIOD_S

    def _save(self) -> None:
        try:
            write_histories(self._file, self.histories)
        except OSError as err:
            # A full disk must not keep what died from being started: the file only tells others, and the next keeper.
            _log.error("%s cannot be written: %s", self._file, err.strerror)


def read_histories(file: Path) -> dict[str, History]:
    """What a keeper wrote; empty if there was none, or if a loss of power spoilt it, which must not end its reader."""
    try:
        return {name: History(**entry) for name, entry in json.loads(file.read_text("utf-8")).items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, AttributeError) as err:
        _log.warning("%s cannot be read, former restarts are forgotten: %s", file, err)
        return {}


def write_histories(file: Path, histories: Mapping[str, History]) -> None:
    """Replace the file at once, so that no reader sees half of it."""
    temporary = file.with_suffix(".new")
    temporary.write_text(json.dumps({name: asdict(history) for name, history in histories.items()}), "utf-8")
    temporary.replace(file)


def run(keeper: Keeper, inbox: Inbox, events: BinaryIO, answers: BinaryIO) -> None:
    """Serve until supervisord closes ``events``."""
    _answer(answers, b"READY\n")
    news = True
    while True:
        try:
            if news:
                keeper.look_around(time.time())
                news = False
            keeper.listen(inbox)
            keeper.end_hung()
            keeper.start_due(time.time())
        except ServiceError as err:
            _log.error("%s; trying again", err)
            news = True
            timeout = PERIOD_S
        else:
            timeout = keeper.wait_s(time.time())
        readable, _, _ = select.select([events, inbox], [], [], timeout)
        if events in readable:
            header = events.readline()
            if not header:
                return
            fields = dict(field.split(b":", 1) for field in header.split())
            events.read(int(fields[b"len"]))  # the payload tells less than looking around does
            news = True
            _answer(answers, b"RESULT 2\nOK")
            _answer(answers, b"READY\n")


def _answer(answers: BinaryIO, text: bytes) -> None:
    answers.write(text)
    answers.flush()


def main() -> None:
    """Entry of the process."""
    configure_logging("info")
    socket = Path(os.environ["SUPERVISOR_SERVER_URL"].removeprefix("unix://"))
    inbox = Inbox(Path(os.environ[notify.VARIABLE]))
    run(Keeper(SupervisorClient(socket), Path(sys.argv[1]), Backoff()), inbox, sys.stdin.buffer, sys.stdout.buffer)


if __name__ == "__main__":
    main()
