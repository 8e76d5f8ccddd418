"""The questions on a terminal: real processes on a pseudo-terminal."""

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from logbook.downtime.desk import Desk
from sipmdcs.site import Site
from tests.logbook.downtime.conftest import MakeSite


class Terminal:
    """One command and whoever sits before it."""

    def __init__(self, site: Site, environment: dict[str, str], *arguments: str) -> None:
        self._master, slave = pty.openpty()
        command = [sys.executable, "-m", "sipmdcs", "--site", str(site.folder), "downtime", *arguments]
        environment = environment | {"TERM": "dumb", "COLUMNS": "200"}
        self.process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=environment)
        os.close(slave)
        self.seen = ""
        self._read = 0

    def wait_for(self, text: str) -> None:
        """Until this was printed, after what was seen before."""
        deadline = time.monotonic() + 40
        while text not in self.seen[self._read :]:
            assert time.monotonic() < deadline, f"{text!r} did not come: {self.seen}"
            if not select.select([self._master], [], [], 0.5)[0]:
                continue
            try:
                self.seen += os.read(self._master, 4096).decode()
            except OSError as err:  # the process has ended
                raise AssertionError(f"{text!r} did not come: {self.seen}") from err
        self._read = self.seen.index(text, self._read) + len(text)

    def answer(self, question: str, text: str) -> None:
        self.wait_for(question)
        os.write(self._master, f"{text}\n".encode())

    def press(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def end(self) -> int:
        status = self.process.wait(timeout=40)
        os.close(self._master)
        return status


Open = Callable[..., Terminal]


@pytest.fixture
def terminal(environment: dict[str, str]) -> Iterator[Open]:
    opened: list[Terminal] = []

    def start(site: Site, *arguments: str) -> Terminal:
        opened.append(Terminal(site, environment, *arguments))
        return opened[-1]

    yield start
    for one in opened:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()


def test_a_stop_asks_why(terminal: Open, make_site: MakeSite) -> None:
    site = make_site()
    asked = terminal(site, "0")
    asked.answer("Category, name or number:", "Aliens")
    asked.wait_for("category 'Aliens' is not in downtime.yaml")
    asked.answer("Category, name or number:", "2")
    asked.answer("Description:", "event builder hung")
    asked.answer("Your name", "alice")
    asked.wait_for("event 1 is changed")
    assert asked.end() == 0
    with Desk(site) as desk:
        record = desk.event(1)
    assert (record.category, record.description, record.user, record.is_open) == ("DAQ", "event builder hung", "alice", True)


def test_refused_answers_are_asked_again_and_the_end_of_input_is_later(terminal: Open, make_site: MakeSite) -> None:
    site = make_site()
    asked = terminal(site, "0")
    asked.answer("Category, name or number:", "2")
    asked.answer("Description:", "hung")
    asked.answer("Your name", "x" * 121)
    asked.wait_for("user has 121 characters")
    asked.wait_for("Category, name or number:")
    asked.press("\x04")
    asked.wait_for("left for later")
    assert asked.end() == 0
    with Desk(site) as desk:
        assert (desk.event(1).category, desk.event(1).is_open) == ("UNDECIDED", True)


def test_later_leaves_it_stored(terminal: Open, make_site: MakeSite) -> None:
    site = make_site()
    asked = terminal(site, "0")
    asked.answer("Category, name or number:", "")
    asked.wait_for("left for later")
    assert asked.end() == 0
    with Desk(site) as desk:
        assert desk.event(1).is_unexplained


def test_the_manual_mode_lists_makes_and_edits(terminal: Open, make_site: MakeSite) -> None:
    site = make_site()
    manual = terminal(site, "--terminal")
    manual.answer("Downtime [q]:", "n")
    manual.answer("Detector", "FAR")
    manual.answer("From", "2h")
    manual.answer("To (empty", "1h")
    manual.answer("Category, name or number:", "")
    manual.answer("Description:", "")
    manual.answer("Your name", "bob")
    manual.wait_for("event 1 is stored")
    manual.answer("Downtime [q]:", "nonsense")
    manual.wait_for("expected an event number, n, l or q")
    manual.answer("Downtime [q]:", "7")
    manual.wait_for("event 7: there is none")
    manual.answer("Downtime [q]:", "1")
    manual.answer("Category, name or number [UNDECIDED]:", "Beam")
    manual.answer("Description:", "machine studies")
    manual.answer("Your name", "carol")
    manual.wait_for("event 1 is changed")
    manual.answer("Downtime [q]:", "l")
    manual.wait_for("machine studies")
    manual.answer("Downtime [q]:", "q")
    assert manual.end() == 0
    with Desk(site) as desk:
        record = desk.event(1)
    assert (record.detector, record.category, record.user, record.is_open) == ("FAR", "Beam", "carol", False)
