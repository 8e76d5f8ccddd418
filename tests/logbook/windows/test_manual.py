"""The manual window: list, cuts, details, history, edits, new entries."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractButton, QLabel, QWidget

from logbook.downtime.call import Call, Mode
from logbook.downtime.desk import Desk
from logbook.downtime.record import UNDECIDED
from logbook.windows import cuts, manual
from logbook.windows.application import DOWN, TO_EXPLAIN
from logbook.windows.manual import DowntimeWindow
from sipmdcs.site import Site

PATIENCE_MS = 30_000


@pytest.fixture
def window(desk: Desk, qtbot: QtBot) -> Iterator[DowntimeWindow]:
    """One open in NEAR, one unexplained in FAR, two that are done."""
    now = datetime.now(UTC)

    def past(hours: float, category: str, detector: str, run: int) -> None:
        values = {
            "detector": detector,
            "category": category,
            "run": run,
            "user": "" if category == UNDECIDED else "bob",
            "description": f"{category} of {run}",
        }
        desk.new(values | {"started_at": now - timedelta(hours=hours), "ended_at": now - timedelta(hours=hours - 1)})

    past(5, "Beam", "NEAR", 10)
    past(4, "DAQ", "NEAR", 11)
    past(3, UNDECIDED, "FAR", 12)
    desk.stop(Call(Mode.SEMI_AUTOMATIC, "1", 13, 0, now - timedelta(minutes=7)), "NEAR")
    shown = DowntimeWindow(desk, "alice")
    qtbot.addWidget(shown)
    shown.show()
    wait_listed(shown, qtbot, [4, 3, 2, 1])
    yield shown
    shown.close()


def listed(window: DowntimeWindow) -> list[int | None]:
    return [record.id for record in window.events.records]


def wait_listed(window: DowntimeWindow, qtbot: QtBot, events: list[int]) -> None:
    qtbot.waitUntil(lambda: listed(window) == events, timeout=PATIENCE_MS)


def choose(window: DowntimeWindow, qtbot: QtBot, event: int) -> None:
    """Click its row and wait for its details."""
    row = window.events.row_of(event)
    viewport = window.table.viewport()
    assert viewport is not None
    place = window.table.visualRect(window.events.index(row, 1)).center()
    qtbot.mouseClick(viewport, Qt.MouseButton.LeftButton, pos=place)
    qtbot.waitUntil(lambda: shown_event(window) == event, timeout=PATIENCE_MS)


def marked(window: DowntimeWindow) -> list[int | None]:
    return [window.events.records[index.row()].id for index in window.chosen.selectedRows()]


def shown_event(window: DowntimeWindow) -> int | None:
    return None if window.details.record is None else window.details.record.id


def store(window: DowntimeWindow, qtbot: QtBot) -> None:
    qtbot.waitUntil(window.store.isEnabled, timeout=PATIENCE_MS)
    qtbot.mouseClick(window.store, Qt.MouseButton.LeftButton)


def test_what_goes_on_is_red_and_what_nobody_explained_is_on_top(window: DowntimeWindow) -> None:
    def cell(row: int, column: str, role: Qt.ItemDataRole = Qt.ItemDataRole.DisplayRole) -> object:
        return window.events.data(window.events.index(row, window.events.columns.index(column)), role)

    assert cell(0, "ended_at") == "open"
    assert str(cell(0, "duration")).startswith("7 min")
    assert cell(0, "id", Qt.ItemDataRole.ForegroundRole) == DOWN
    assert cell(1, "id", Qt.ItemDataRole.ForegroundRole) == TO_EXPLAIN
    assert cell(2, "id", Qt.ItemDataRole.ForegroundRole) is None
    assert window.status.text() == "4 downtimes, 2 to explain, 1 still open"


def test_clocks_run(window: DowntimeWindow, qtbot: QtBot) -> None:
    index = window.events.index(0, window.events.columns.index("duration"))
    before = window.events.data(index)
    qtbot.waitUntil(lambda: window.events.data(index) != before, timeout=PATIENCE_MS)


def test_cuts(window: DowntimeWindow, qtbot: QtBot) -> None:
    cuts = window.cuts
    cuts.detector.setCurrentText("FAR")
    wait_listed(window, qtbot, [3])
    cuts.detector.setCurrentText("every")
    cuts.category.setCurrentText("DAQ")
    wait_listed(window, qtbot, [2])
    cuts.category.setCurrentText("every")
    qtbot.keyClicks(cuts.runs, "10-11")
    wait_listed(window, qtbot, [2, 1])
    cuts.runs.clear()
    cuts.only_open.setChecked(True)
    wait_listed(window, qtbot, [4])
    cuts.only_open.setChecked(False)
    qtbot.keyClicks(cuts.text, "beam OF")
    wait_listed(window, qtbot, [1])
    cuts.text.clear()
    cuts.since.setCurrentText("150min")
    wait_listed(window, qtbot, [4, 3])
    cuts.since.setCurrentText("all time")
    qtbot.keyClicks(cuts.until, "270min")
    wait_listed(window, qtbot, [1])
    cuts.until.clear()
    wait_listed(window, qtbot, [4, 3, 2, 1])


def test_a_cut_that_is_none_is_told(window: DowntimeWindow, qtbot: QtBot) -> None:
    qtbot.keyClicks(window.cuts.runs, "ten")
    qtbot.waitUntil(lambda: "run 'ten' is not a number" in window.problem.text(), timeout=PATIENCE_MS)
    window.cuts.runs.clear()
    qtbot.waitUntil(lambda: window.problem.text() == "", timeout=PATIENCE_MS)


def test_a_selected_one_is_highlighted_and_edited(window: DowntimeWindow, desk: Desk, qtbot: QtBot) -> None:
    choose(window, qtbot, 3)
    assert [index.row() for index in window.chosen.selectedRows()] == [1]
    details = window.details
    assert details.banner.title.text() == "FAR was down"
    assert details.history.toPlainText() == "never changed"
    details.category.choose("Electronics")
    qtbot.keyClicks(details.description, ", clock lost")
    window.who.setText("carol")
    store(window, qtbot)
    qtbot.waitUntil(
        lambda: "carol: category 'Electronics' instead of 'UNDECIDED'" in details.history.toPlainText(), timeout=PATIENCE_MS
    )
    stored = desk.event(3)
    assert (stored.category, stored.user, stored.revision) == ("Electronics", "carol", 2)
    assert stored.description == ", clock lostUNDECIDED of 12"
    wait_listed(window, qtbot, [4, 3, 2, 1])
    assert [window.events.records[index.row()].id for index in window.chosen.selectedRows()] == [3]
    qtbot.waitUntil(lambda: window.status.text().startswith("4 downtimes, 1 to explain"), timeout=PATIENCE_MS)


def test_times_that_nobody_touched_keep_their_fractions(window: DowntimeWindow, desk: Desk, qtbot: QtBot) -> None:
    before = desk.event(2)
    choose(window, qtbot, 2)
    window.details.lines["subrun"].setText("4")
    store(window, qtbot)
    qtbot.waitUntil(lambda: desk.event(2).subrun == 4, timeout=PATIENCE_MS)
    assert [step.field for step in desk.history(before)] == ["subrun"]


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("run", "ten", "run 'ten' is not a number"),
        ("subrun", "1-2", "subrun '1-2' is not a number"),
        ("started_at", "soon", "time 'soon' is not understood"),
        ("started_at", "", "needs the time from which on"),
        ("ended_at", "2020-01-01 00:00:00", "is before start"),
        ("ended_at", "2099-01-01 00:00:00", "is in the future"),
        ("ended_at", "", "NEAR is down already: event 4"),
    ],
)
def test_mistakes_are_told_and_change_nothing(
    window: DowntimeWindow, desk: Desk, qtbot: QtBot, name: str, text: str, problem: str
) -> None:
    choose(window, qtbot, 2)
    window.details.lines[name].setText(text)
    store(window, qtbot)
    qtbot.waitUntil(lambda: problem in window.problem.text(), timeout=PATIENCE_MS)
    assert desk.event(2).revision == 1
    assert window.details.lines[name].text() == text


def test_typing_survives_the_list_being_read_again(window: DowntimeWindow, desk: Desk, qtbot: QtBot) -> None:
    choose(window, qtbot, 2)
    qtbot.keyClicks(window.details.description, "typing ")
    desk.edit(desk.event(2), {"category": "Beam"}, "bob")
    with qtbot.waitSignal(window.events.modelReset, timeout=PATIENCE_MS):
        window.reload()
    assert window.details.description.toPlainText().startswith("typing ")
    store(window, qtbot)
    qtbot.waitUntil(lambda: "event 2 was changed by bob" in window.problem.text(), timeout=PATIENCE_MS)
    assert desk.event(2).description == "DAQ of 11"


def test_an_edit_of_somebody_else_is_shown_if_nothing_was_typed(window: DowntimeWindow, desk: Desk, qtbot: QtBot) -> None:
    choose(window, qtbot, 2)
    desk.edit(desk.event(2), {"category": "Beam"}, "bob")
    window.reload()
    qtbot.waitUntil(lambda: window.details.category.chosen() == "Beam", timeout=PATIENCE_MS)


def test_a_new_entry(window: DowntimeWindow, desk: Desk, qtbot: QtBot) -> None:
    qtbot.mouseClick(window.new, Qt.MouseButton.LeftButton)
    details = window.details
    assert not window.chosen.selectedRows()
    details.detector.setCurrentText("FAR")
    details.lines["started_at"].setText("2h")
    details.lines["ended_at"].setText("1h")
    details.category.choose("Maintenance")
    store(window, qtbot)
    wait_listed(window, qtbot, [4, 3, 5, 2, 1])
    made = desk.event(5)
    assert (made.detector, made.category, made.user, made.source.value) == ("FAR", "Maintenance", "alice", "manual")


def test_undo_brings_back_what_is_stored(window: DowntimeWindow, qtbot: QtBot) -> None:
    choose(window, qtbot, 1)
    window.details.description.setPlainText("nonsense")
    assert window.details.is_touched()
    qtbot.mouseClick(window.undo, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: window.details.description.toPlainText() == "Beam of 10", timeout=PATIENCE_MS)
    assert not window.details.is_touched()


def test_the_form_follows_the_marked_row_however_fast_it_moves(window: DowntimeWindow, qtbot: QtBot) -> None:
    choose(window, qtbot, 4)
    for _ in range(3):
        qtbot.keyClick(window.table, Qt.Key.Key_Down)
    assert marked(window) == [1]
    qtbot.waitUntil(lambda: shown_event(window) == 1, timeout=PATIENCE_MS)
    for key in (Qt.Key.Key_Up, Qt.Key.Key_Up, Qt.Key.Key_Down):
        qtbot.keyClick(window.table, key)
    qtbot.waitUntil(lambda: shown_event(window) == 2, timeout=PATIENCE_MS)
    assert marked(window) == [2]


def test_what_was_typed_is_not_lost_by_looking_at_another(window: DowntimeWindow, desk: Desk, qtbot: QtBot) -> None:
    choose(window, qtbot, 2)
    qtbot.keyClicks(window.details.description, "typing ")
    qtbot.waitUntil(window.new.isEnabled, timeout=PATIENCE_MS)
    qtbot.keyClick(window.table, Qt.Key.Key_Down)
    assert "not stored yet" in window.problem.text()
    assert (marked(window), shown_event(window)) == ([2], 2)
    qtbot.mouseClick(window.new, Qt.MouseButton.LeftButton)
    assert window.details.description.toPlainText() == "typing DAQ of 11"
    assert not window.close()
    assert "close again" in window.problem.text()
    store(window, qtbot)
    qtbot.waitUntil(lambda: desk.event(2).description == "typing DAQ of 11", timeout=PATIENCE_MS)
    qtbot.waitUntil(lambda: window.details.record == desk.event(2), timeout=PATIENCE_MS)
    choose(window, qtbot, 1)


def test_a_text_that_an_editor_shows_otherwise_counts_as_untouched(window: DowntimeWindow, desk: Desk, qtbot: QtBot) -> None:
    odd = "two\u2028lines and spaces \n"
    desk.edit(desk.event(2), {"description": odd, "user": "bob  b "}, "bob")
    window.reload()
    qtbot.waitUntil(lambda: window.events.records[2].description == odd, timeout=PATIENCE_MS)
    choose(window, qtbot, 2)
    assert not window.details.is_touched()
    window.details.lines["subrun"].setText("4")
    store(window, qtbot)
    qtbot.waitUntil(lambda: desk.event(2).subrun == 4, timeout=PATIENCE_MS)
    assert (desk.event(2).description, desk.event(2).user) == (odd, "bob  b ")
    qtbot.waitUntil(lambda: window.details.record == desk.event(2) and window.new.isEnabled(), timeout=PATIENCE_MS)
    choose(window, qtbot, 1)


def test_a_new_entry_is_not_lost_either(window: DowntimeWindow, qtbot: QtBot) -> None:
    qtbot.mouseClick(window.new, Qt.MouseButton.LeftButton)
    window.details.category.choose("DAQ")
    window.table.selectRow(1)
    assert "not stored yet" in window.problem.text()
    assert (marked(window), shown_event(window)) == ([], None)
    qtbot.mouseClick(window.undo, Qt.MouseButton.LeftButton)
    window.table.selectRow(1)
    qtbot.waitUntil(lambda: shown_event(window) == 3, timeout=PATIENCE_MS)


def test_an_edit_while_the_database_is_away_is_kept(window: DowntimeWindow, desk: Desk, site: Site, qtbot: QtBot) -> None:
    choose(window, qtbot, 4)
    database = site.folder / "database"
    database.rename(site.folder / "away")
    desk.store.engine.dispose()  # SQLite keeps a file that is open whatever happens to its name
    window.table.selectRow(2)
    qtbot.waitUntil(lambda: shown_event(window) == 2, timeout=PATIENCE_MS)
    assert window.details.history.toPlainText() == "cannot be read now"
    assert "unable to open" in window.problem.text()
    window.details.category.choose("Beam")
    store(window, qtbot)
    qtbot.waitUntil(lambda: "kept until the database is back" in window.status.text(), timeout=PATIENCE_MS)
    (site.folder / "away").rename(database)
    assert desk.journal.flush() == 1
    assert desk.event(2).category == "Beam"


def test_more_than_a_list_holds_is_told(window: DowntimeWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuts, "MOST", 3)
    monkeypatch.setattr(manual, "MOST", 3)
    window.reload()
    wait_listed(window, qtbot, [4, 3, 2])
    qtbot.waitUntil(lambda: window.status.text().startswith("the first 3 downtimes"), timeout=PATIENCE_MS)


def test_a_list_that_did_not_change_is_not_drawn_anew(window: DowntimeWindow, qtbot: QtBot) -> None:
    resets: list[None] = []
    window.events.modelReset.connect(lambda: resets.append(None))
    window.status.setText("")
    window.reload()
    qtbot.waitUntil(lambda: window.status.text() != "", timeout=PATIENCE_MS)
    assert not resets


def test_everything_can_be_reached_from_the_keyboard(window: DowntimeWindow, qtbot: QtBot) -> None:
    choose(window, qtbot, 3)
    labelled = [label for label in window.findChildren(QLabel) if label.buddy() is not None]
    texts = [widget.text() for widget in (*labelled, *window.findChildren(QAbstractButton))]
    keys = [text[text.index("&") + 1].lower() for text in texts if "&" in text]
    assert len(keys) == 11
    assert len(set(keys)) == len(keys)
    window.table.setFocus()
    reached: set[QWidget | None] = set()
    for _ in range(60):
        focus = window.focusWidget()
        if focus in reached:
            break
        reached.add(focus)
        assert window.focusNextChild()
    wanted = {window.details.category, window.details.description, window.who, window.store, window.undo, window.new}
    assert wanted | {window.cuts.since, window.cuts.text, window.cuts.only_open, *window.details.lines.values()} <= reached


def test_enter_on_a_row_goes_on_to_its_category(window: DowntimeWindow, qtbot: QtBot) -> None:
    choose(window, qtbot, 3)
    qtbot.keyClick(window.table, Qt.Key.Key_Return)
    assert window.focusWidget() is window.details.category


def test_tab_leaves_the_table(window: DowntimeWindow, qtbot: QtBot) -> None:
    choose(window, qtbot, 3)
    window.table.setFocus()
    qtbot.keyClick(window.table, Qt.Key.Key_Tab)
    assert window.focusWidget() is not window.table
    assert marked(window) == [3]
