"""The pop-up after a stop, driven as a shifter would."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt

from logbook.downtime.call import Call, Mode
from logbook.downtime.desk import Desk
from logbook.downtime.record import UNDECIDED, Record
from logbook.windows.popup import WhyDialog
from sipmdcs.site import Site
from tests.postgresql import PostgresServer

PATIENCE_MS = 30_000


@pytest.fixture
def record(desk: Desk) -> Record:
    found = desk.stop(Call(Mode.SEMI_AUTOMATIC, "1", 12, 3), "NEAR").record
    assert found is not None
    return found


@pytest.fixture
def dialog(desk: Desk, record: Record, qtbot: QtBot) -> Iterator[WhyDialog]:
    shown = WhyDialog(desk, record, "alice")
    qtbot.addWidget(shown)
    shown.show()
    yield shown
    shown.done(0)


def fill(dialog: WhyDialog, qtbot: QtBot, category: str, description: str) -> None:
    dialog.category.choose(category)
    dialog.description.clear()
    qtbot.keyClicks(dialog.description, description)


def press_store(dialog: WhyDialog, qtbot: QtBot) -> None:
    qtbot.mouseClick(dialog.store, Qt.MouseButton.LeftButton)


def wait_closed(dialog: WhyDialog, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: not dialog.isVisible(), timeout=PATIENCE_MS)


def test_an_explanation_is_stored(dialog: WhyDialog, desk: Desk, qtbot: QtBot) -> None:
    assert dialog.banner.title.text() == "NEAR is down"
    assert "event\N{NO-BREAK SPACE}1" in dialog.banner.facts.text()
    fill(dialog, qtbot, "DAQ", "event builder hung")
    press_store(dialog, qtbot)
    wait_closed(dialog, qtbot)
    stored = desk.event(1)
    assert (stored.category, stored.description, stored.user, stored.is_open) == ("DAQ", "event builder hung", "alice", True)
    assert dialog.answer is not None
    assert dialog.answer.text == "event 1 is changed"


def test_what_is_missing_is_asked_for(dialog: WhyDialog, desk: Desk, qtbot: QtBot) -> None:
    press_store(dialog, qtbot)
    assert "choose a category" in dialog.problem.text()
    dialog.category.choose("DAQ")
    dialog.user.clear()
    press_store(dialog, qtbot)
    assert "your name" in dialog.problem.text()
    assert dialog.isVisible()
    assert desk.event(1).revision == 1


def test_later_leaves_it_undecided(dialog: WhyDialog, desk: Desk, qtbot: QtBot) -> None:
    qtbot.mouseClick(dialog.later, Qt.MouseButton.LeftButton)
    wait_closed(dialog, qtbot)
    assert dialog.answer is None
    assert desk.event(1).category == UNDECIDED


def test_what_was_typed_is_dropped_only_if_asked_twice(dialog: WhyDialog, desk: Desk, qtbot: QtBot) -> None:
    qtbot.keyClicks(dialog.description, "event builder")
    qtbot.keyClick(dialog, Qt.Key.Key_Escape)
    assert dialog.isVisible()
    assert "not stored yet" in dialog.problem.text()
    qtbot.keyClick(dialog, Qt.Key.Key_Escape)
    wait_closed(dialog, qtbot)
    assert desk.event(1).description == ""


def test_the_start_comes_while_it_is_open(dialog: WhyDialog, desk: Desk, qtbot: QtBot) -> None:
    fill(dialog, qtbot, "DAQ", "hung")
    desk.start(Call(Mode.AUTOMATIC, "1"), "NEAR")
    qtbot.waitUntil(lambda: dialog.banner.title.text() == "NEAR was down", timeout=PATIENCE_MS)
    press_store(dialog, qtbot)
    wait_closed(dialog, qtbot)
    stored = desk.event(1)
    assert (stored.category, stored.is_open, stored.revision) == ("DAQ", False, 3)


def test_whoever_is_second_is_told_and_may_insist(dialog: WhyDialog, desk: Desk, record: Record, qtbot: QtBot) -> None:
    desk.edit(record, {"category": "Beam", "user": "bob"}, "bob")
    fill(dialog, qtbot, "DAQ", "hung")
    press_store(dialog, qtbot)
    qtbot.waitUntil(lambda: "event 1 was changed by bob" in dialog.problem.text(), timeout=PATIENCE_MS)
    assert desk.event(1).category == "Beam"
    qtbot.waitUntil(lambda: dialog.record.revision == 2, timeout=PATIENCE_MS)
    qtbot.waitUntil(dialog.store.isEnabled, timeout=PATIENCE_MS)
    press_store(dialog, qtbot)
    wait_closed(dialog, qtbot)
    assert desk.event(1).category == "DAQ"
    assert [step.who for step in desk.history(record) if step.field == "category"] == ["bob", "alice"]


def test_markup_is_shown_as_it_was_written(desk: Desk, qtbot: QtBot) -> None:
    record = desk.new({"detector": "FAR", "description": "<b>bold</b>"}).record
    assert record is not None
    shown = WhyDialog(desk, record, "<i>alice</i>")
    qtbot.addWidget(shown)
    assert shown.problem.textFormat() == Qt.TextFormat.PlainText
    shown.done(0)


def test_a_killed_popup_leaves_the_record(site: Site, desk: Desk, tmp_path: Path) -> None:
    environment = os.environ | {"QT_QPA_PLATFORM": "offscreen"}
    command = [sys.executable, "-m", "sipmdcs", "--site", str(site.folder), "downtime", "0"]
    with (tmp_path / "out.txt").open("w") as out:
        process = subprocess.Popen(command, env=environment, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    deadline = time.monotonic() + 40
    log = desk.log.path
    while not (log.is_file() and " popup-opened " in log.read_text("utf-8")):
        assert process.poll() is None, (tmp_path / "out.txt").read_text("utf-8")
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait(timeout=30)
    stored = desk.event(1)
    assert (stored.category, stored.is_open) == (UNDECIDED, True)
    assert desk.start(Call(Mode.AUTOMATIC, "1"), "NEAR").record is not None


def test_it_works_on_a_record_that_waits_for_the_database(
    site: Site, postgresql_to_stop: PostgresServer, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Site, "database_url", postgresql_to_stop.url)
    postgresql_to_stop.stop()
    with Desk(site) as desk:
        kept = desk.stop(Call(Mode.SEMI_AUTOMATIC, "1", 12, 3), "NEAR").record
        assert kept is not None
        dialog = WhyDialog(desk, kept, "alice")
        qtbot.addWidget(dialog)
        dialog.show()
        assert "kept" in dialog.banner.facts.text()
        fill(dialog, qtbot, "DAQ", "hung")
        press_store(dialog, qtbot)
        wait_closed(dialog, qtbot)
        assert dialog.answer is not None
        assert dialog.answer.waiting
        postgresql_to_stop.start()
        assert desk.journal.flush() == 2
        assert (desk.event(1).category, desk.event(1).description) == ("DAQ", "hung")
