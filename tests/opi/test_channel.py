"""The faceplate: values, limits, writes that go through only when confirmed, alarms with guidance."""

import math
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydm import data_plugins
from pydm.display import load_py_file
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QLabel, QMessageBox, QWidget

import opi
from opi import windows
from opi.channel import ChannelFaceplate
from opi.pv_watch import PvWatch
from opi.theme import PALETTE
from opi.widgets.confirm_button import ConfirmButton
from sipmdcs.errors import BadInput
from sipmdcs.site import Site
from tests.opi.driving import Driver
from tests.opi.http_stub import HttpStub

CONTROLLER = "SCR:NORTH:HV01"
CHANNEL = f"{CONTROLLER}:CH02"
TIMEOUT = 15_000


@pytest.fixture
def faceplate(qtbot: QtBot, driver: Driver, site: Site) -> Iterator[ChannelFaceplate]:
    screen = ChannelFaceplate(macros={"SITE": str(site.folder), "P": CONTROLLER, "R": "CH02"})
    qtbot.addWidget(screen)
    screen.resize(1080, 700)
    screen.show()
    qtbot.waitUntil(lambda: screen.connected_count() == (6, 6), timeout=TIMEOUT)
    qtbot.waitUntil(lambda: screen.output.state.text() == "ON" and screen.output.on.isEnabled(), timeout=TIMEOUT)
    yield screen
    screen.close()


def value_of(qtbot: QtBot, pv: str) -> Any:
    """The value a PV has now, by a subscription of its own."""
    watch = PvWatch(pv)
    qtbot.waitUntil(lambda: watch.value is not None, timeout=TIMEOUT)
    value = watch.value
    watch.close()
    return value


def press(qtbot: QtBot, button: ConfirmButton, answer: QMessageBox.StandardButton) -> str:
    """Press a button and answer its question; returns the question."""
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    dialog = button.dialog
    assert dialog is not None
    assert dialog.defaultButton() is dialog.button(QMessageBox.StandardButton.No)
    text = dialog.text()
    qtbot.mouseClick(dialog.button(answer), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: button.dialog is None)
    return text


def test_text_from_records_is_shown_as_it_is(qtbot: QtBot, faceplate: ChannelFaceplate, driver: Driver) -> None:
    text = "<h1>FIRE</h1>"
    driver.put({f"{CHANNEL}:BIAS.DESC": f"Bias, {text}", f"{CHANNEL}:VMON_RBV.EGU": "<b>V</b>"})
    driver.put({f"{CHANNEL}:TRIP_CAUSE.ONST": "<i>Over</i>"})
    try:
        screen = ChannelFaceplate(macros=dict(faceplate.macros()))
        qtbot.addWidget(screen)
        screen.show()
        qtbot.waitUntil(lambda: screen.subtitle.text() == text, timeout=TIMEOUT)
        driver.put({f"{CHANNEL}:TRIP_CAUSE": 1})
        qtbot.waitUntil(lambda: "<i>Over</i>" in screen.trip.trip.text(), timeout=TIMEOUT)
        labels = [*screen.findChildren(QLabel), *faceplate.findChildren(QLabel)]
        assert {label.textFormat() for label in labels if not isinstance(label.parent(), QMessageBox)} == {
            Qt.TextFormat.PlainText
        }
        faceplate.output.on.click()
        assert faceplate.output.on.dialog is not None
        assert faceplate.output.on.dialog.textFormat() is Qt.TextFormat.PlainText
        faceplate.output.on.dialog.reject()
        screen.close()
    finally:
        driver.put({f"{CHANNEL}:VMON_RBV.EGU": "V", f"{CHANNEL}:TRIP_CAUSE.ONST": "Over-current"})
        driver.put({f"{CHANNEL}:BIAS.DESC": "Bias setpoint, SiPM unknown"})


def test_every_name_is_filled_in(faceplate: ChannelFaceplate) -> None:
    texts = [label.text() for label in faceplate.findChildren(QLabel)]
    assert CHANNEL in texts
    assert [text for text in texts if "$(" in text or "${" in text or "ca://" in text] == []
    assert (faceplate.width(), faceplate.height()) == (1080, 700)


def test_readbacks_show_value_unit_and_limits(qtbot: QtBot, faceplate: ChannelFaceplate) -> None:
    labels = {pv.rpartition(":")[2]: label for pv, label in faceplate.readbacks.labels.items()}
    qtbot.waitUntil(lambda: labels["VMON_RBV"].text() == "54.250 V", timeout=TIMEOUT)
    qtbot.waitUntil(lambda: labels["CURRENT_RBV"].text() == "0.100 uA", timeout=TIMEOUT)
    bar = faceplate.readbacks.bars[f"{CHANNEL}:CURRENT_RBV"]
    qtbot.waitUntil(lambda: bar.range == pytest.approx((0, 2.5)), timeout=TIMEOUT)
    assert bar.value == pytest.approx(0.1)
    assert PALETTE.live in {bar.grab().toImage().pixelColor(x, 9).name() for x in range(bar.width())}


def test_a_value_in_alarm_is_filled_with_its_colour(qtbot: QtBot, faceplate: ChannelFaceplate, driver: Driver) -> None:
    label = faceplate.readbacks.labels[f"{CHANNEL}:CURRENT_RBV"]
    driver.put({f"{CHANNEL}:CURRENT_RBV": 3.0})
    qtbot.waitUntil(lambda: corner(faceplate, label) == PALETTE.major, timeout=TIMEOUT)
    driver.put({f"{CHANNEL}:CURRENT_RBV": 0.1})
    qtbot.waitUntil(lambda: corner(faceplate, label) == PALETTE.card, timeout=TIMEOUT)


def corner(screen: ChannelFaceplate, widget: QWidget) -> str:
    """Colour near the upper left corner of a widget, in a picture of the whole screen."""
    place = widget.mapTo(screen, QPoint(4, 4))
    return screen.grab().toImage().pixelColor(place).name()


def test_switching_asks_first(qtbot: QtBot, faceplate: ChannelFaceplate, driver: Driver) -> None:
    output = faceplate.output
    text = press(qtbot, output.off, QMessageBox.StandardButton.No)
    assert CHANNEL in text
    assert value_of(qtbot, f"{CHANNEL}:ENABLE") == 1
    press(qtbot, output.off, QMessageBox.StandardButton.Yes)
    assert output.switch_notice.text == "Writing off, not confirmed yet …"
    qtbot.waitUntil(lambda: value_of(qtbot, f"{CHANNEL}:ENABLE") == 0, timeout=TIMEOUT)
    driver.put({f"{CHANNEL}:ENABLE_RBV": 0})
    qtbot.waitUntil(lambda: output.switch_notice.text == "", timeout=TIMEOUT)
    press(qtbot, output.on, QMessageBox.StandardButton.Yes)
    qtbot.waitUntil(lambda: value_of(qtbot, f"{CHANNEL}:ENABLE") == 1, timeout=TIMEOUT)


def test_switching_on_while_ramping_down_names_the_setpoint(qtbot: QtBot, faceplate: ChannelFaceplate, driver: Driver) -> None:
    ramping = {f"{CHANNEL}:BIAS_RBV": 31.7, f"{CHANNEL}:VMON_RBV": 31.7, f"{CHANNEL}:STATE": 5}
    driver.put(ramping)
    labels = {pv.rpartition(":")[2]: label for pv, label in faceplate.readbacks.labels.items()}
    qtbot.waitUntil(lambda: labels["BIAS_RBV"].text() == "31.700 V", timeout=TIMEOUT)
    text = press(qtbot, faceplate.output.on, QMessageBox.StandardButton.No)
    assert "54.250 V" in text
    assert "31.7" not in text


def enter(qtbot: QtBot, faceplate: ChannelFaceplate, text: str) -> None:
    """Type a new setpoint, and Return."""
    entry = faceplate.output.entry
    qtbot.waitUntil(lambda: entry.range.text() == "52.47 … 60.47 V", timeout=TIMEOUT)
    entry.edit.clear()
    qtbot.keyClicks(entry.edit, text)
    qtbot.keyClick(entry.edit, Qt.Key.Key_Return)


def answer(qtbot: QtBot, faceplate: ChannelFaceplate, button: QMessageBox.StandardButton) -> str:
    """Answer the question about a setpoint; returns it."""
    dialog = faceplate.output.entry.dialog
    assert dialog is not None, faceplate.output.notice.text
    assert dialog.defaultButton() is dialog.button(QMessageBox.StandardButton.No)
    text = dialog.text()
    qtbot.mouseClick(dialog.button(button), Qt.MouseButton.LeftButton)
    return text


def test_small_step_is_written_without_a_question_and_done_when_the_device_holds_it(
    qtbot: QtBot, faceplate: ChannelFaceplate, driver: Driver
) -> None:
    entry, notice = faceplate.output.entry, faceplate.output.notice
    qtbot.waitUntil(lambda: entry.present.text() == "54.250 V", timeout=TIMEOUT)
    qtbot.keyClicks(entry.edit, "54,5")
    assert value_of(qtbot, f"{CHANNEL}:BIAS") == 54.25
    enter(qtbot, faceplate, "54,5")
    assert entry.dialog is None
    qtbot.waitUntil(lambda: entry.present.text() == "54.500 V", timeout=TIMEOUT)
    assert notice.text == "Writing 54.500 V, not confirmed yet …", "the record has it, which proves nothing"
    writes = threading.active_count()
    for _ in range(30):  # the key is held down
        qtbot.keyClick(entry.edit, Qt.Key.Key_Return)
    assert threading.active_count() == writes
    assert entry.edit.text() == "54,5"
    driver.put({f"{CHANNEL}:BIAS_RBV": 54.5})
    qtbot.waitUntil(lambda: notice.text == "", timeout=TIMEOUT)
    assert entry.edit.text() == ""


def test_large_step_asks_with_overvoltage_before_and_after(qtbot: QtBot, faceplate: ChannelFaceplate) -> None:
    enter(qtbot, faceplate, "75.1")
    text = answer(qtbot, faceplate, QMessageBox.StandardButton.No)
    for part in (CHANNEL, "75.100 V", "From 54.250 V", "+20.850 V", "1.777 V before", "22.627 V after", "0 to 80 V"):
        assert part in text
    assert value_of(qtbot, f"{CHANNEL}:BIAS") == 54.25
    assert faceplate.output.notice.text == ""


def test_step_beyond_the_overvoltage_limit_is_not_sent(qtbot: QtBot, faceplate: ChannelFaceplate, driver: Driver) -> None:
    driver.put({f"{CHANNEL}:OVERVOLTAGE_LIMIT": 6.0})
    entry = faceplate.output.entry
    try:
        qtbot.waitUntil(lambda: entry.range.text() == "52.47 … 58.47 V", timeout=TIMEOUT)
        qtbot.keyClicks(entry.edit, "75.1")
        qtbot.mouseClick(entry.button, Qt.MouseButton.LeftButton)
        assert entry.dialog is None
        expected = "▲ 75.100 V refused: overvoltage 22.627 V, limit is 6.000 V; not sent"
        assert faceplate.output.notice.text == expected
        assert value_of(qtbot, f"{CHANNEL}:BIAS") == 54.25
    finally:
        driver.put({f"{CHANNEL}:OVERVOLTAGE_LIMIT": 0.0})


def test_question_is_asked_anew_when_it_is_about_something_else_by_then(
    qtbot: QtBot, faceplate: ChannelFaceplate, driver: Driver
) -> None:
    entry, on = faceplate.output.entry, faceplate.output.on
    enter(qtbot, faceplate, "55.25")
    driver.put({f"{CHANNEL}:BIAS": 54.0, f"{CHANNEL}:BIAS_RBV": 54.0})
    qtbot.waitUntil(lambda: entry.present.text() == "54.000 V", timeout=TIMEOUT)
    assert "From 54.250 V" in answer(qtbot, faceplate, QMessageBox.StandardButton.Yes)
    assert "From 54.000 V" in answer(qtbot, faceplate, QMessageBox.StandardButton.No)
    qtbot.mouseClick(on, Qt.MouseButton.LeftButton)
    driver.put({f"{CHANNEL}:BIAS": 57.0})
    qtbot.waitUntil(lambda: entry.present.text() == "57.000 V", timeout=TIMEOUT)
    assert on.dialog is not None
    assert "54.000 V" in on.dialog.text()
    qtbot.mouseClick(on.dialog.button(QMessageBox.StandardButton.Yes), Qt.MouseButton.LeftButton)
    assert on.dialog is not None
    assert "57.000 V" in on.dialog.text()
    on.dialog.reject()
    assert faceplate.output.switch_notice.text == ""


def test_range_follows_from_a_poll_after_the_setpoint(qtbot: QtBot, driver: Driver, site: Site) -> None:
    led = "SCR:SOUTH:LED"
    driver.put({f"{led}:COMPENSATION_RBV": 1, f"{led}:CH01:VMON_RBV": 54.05})
    screen = ChannelFaceplate(macros={"SITE": str(site.folder), "P": led, "R": "CH01"})
    qtbot.addWidget(screen)
    screen.show()
    try:
        entry = screen.output.entry
        qtbot.waitUntil(lambda: entry.range.text() == "52.42 … 60.42 V", timeout=TIMEOUT)
        driver.silence("LED")
        driver.put({f"{led}:CH01:BIAS": 45.0})
        qtbot.waitUntil(lambda: entry.present.text() == "45.000 V", timeout=TIMEOUT)
        assert entry.range.text() == "range not known"
        driver.put({f"{led}:CH01:VDEV_RBV": 9000.0})
        driver.send({"beat": [f"{led}:HEARTBEAT"]})
        qtbot.waitUntil(lambda: entry.range.text() == "52.42 … 60.42 V", timeout=TIMEOUT)
    finally:
        driver.put({f"{led}:COMPENSATION_RBV": 0})
        screen.close()


@pytest.mark.parametrize("why", ["VBR is 0 V", "the temperature of the SiPM is not known", "stale"])
def test_question_says_that_the_breakdown_voltage_is_not_known(
    qtbot: QtBot, faceplate: ChannelFaceplate, driver: Driver, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    entry = faceplate.output.entry
    qtbot.waitUntil(lambda: entry.range.text() == "52.47 … 60.47 V", timeout=TIMEOUT)
    if why == "stale":
        monkeypatch.setattr("opi.link_watch.STALE_LEAST_S", 1.0)
        driver.silence("HV01")
    else:
        driver.put({f"{CHANNEL}:VBR": 0.0} if "VBR" in why else {f"{CHANNEL}:TEMP_RBV": math.nan})
    try:
        qtbot.waitUntil(lambda: entry.range.text() == "range not known", timeout=TIMEOUT)
        qtbot.keyClicks(entry.edit, "54.3")
        qtbot.keyClick(entry.edit, Qt.Key.Key_Return)
        text = answer(qtbot, faceplate, QMessageBox.StandardButton.No)
    finally:
        driver.put({f"{CHANNEL}:VBR": 52.5})
    assert "The breakdown voltage is not known" in text
    assert why in text
    assert value_of(qtbot, f"{CHANNEL}:BIAS") == 54.25


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("80.00001", "80.00001 V is not within 0 … 80 V"),
        ("-1", "not within"),
        ("5x", "5x refused: not a number"),
        ("nan", "not a number"),
        ("5_0", "not a number"),
        ("5.7100000000000000000000e1", "5.710000000000000000000… refused: longer than 24 characters"),
        ("\u202e1.75\n" + "x" * 100_000, "1.75 xxx"),
        ("1e99", "1e+99 V refused"),
    ],
)
def test_bad_setpoint_is_refused_here(qtbot: QtBot, faceplate: ChannelFaceplate, text: str, why: str) -> None:
    enter(qtbot, faceplate, "")
    assert faceplate.output.notice.text == ""
    faceplate.output.entry.edit.insert(text)  # as pasting does
    qtbot.keyClick(faceplate.output.entry.edit, Qt.Key.Key_Return)
    assert why in faceplate.output.notice.text
    assert "not sent" in faceplate.output.notice.text
    assert len(faceplate.output.notice.text) < 150
    assert value_of(qtbot, f"{CHANNEL}:BIAS") == 54.25


def test_write_that_the_server_does_not_take_is_refused(qtbot: QtBot, faceplate: ChannelFaceplate, driver: Driver) -> None:
    driver.put({f"{CHANNEL}:BIAS.DISP": 1})
    try:
        enter(qtbot, faceplate, "54.5")
        qtbot.waitUntil(lambda: "54.500 V refused" in faceplate.output.notice.text, timeout=TIMEOUT)
    finally:
        driver.put({f"{CHANNEL}:BIAS.DISP": 0})


def test_setpoint_in_a_write_alarm_is_not_shown_as_one_that_holds(
    qtbot: QtBot, faceplate: ChannelFaceplate, driver: Driver
) -> None:
    present = faceplate.output.entry.present
    qtbot.waitUntil(lambda: present.text() == "54.250 V", timeout=TIMEOUT)
    driver.put({f"{CHANNEL}:BIAS.HHSV": 3, f"{CHANNEL}:BIAS.HIHI": 54.0, f"{CHANNEL}:BIAS": 54.25})
    try:
        qtbot.waitUntil(lambda: present.text() == "? 54.250 V", timeout=TIMEOUT)
        image = present.grab().toImage()
        assert PALETTE.invalid in {image.pixelColor(x, image.height() // 2).name() for x in range(image.width())}
    finally:
        driver.put({f"{CHANNEL}:BIAS.HHSV": 0, f"{CHANNEL}:BIAS": 54.25})


def test_what_is_not_the_present_is_not_shown_as_it(
    qtbot: QtBot, faceplate: ChannelFaceplate, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    output, voltage = faceplate.output, faceplate.readbacks.labels[f"{CHANNEL}:VMON_RBV"]
    qtbot.waitUntil(lambda: output.output.text() == "On" and not faceplate.link.isVisible(), timeout=TIMEOUT)
    live = voltage.grab().toImage()
    monkeypatch.setattr("opi.link_watch.STALE_LEAST_S", 1.0)
    driver.silence("HV01")
    qtbot.waitUntil(lambda: output.output.text() == "? On", timeout=TIMEOUT)
    for badge in (output.state, faceplate.link):
        assert badge.text().startswith("⌀ stale ")
    assert faceplate.link.isVisible()
    assert voltage.grab().toImage() != live
    driver.reset()
    driver.put({f"{CONTROLLER}:CONNECTED": 0})
    qtbot.waitUntil(lambda: faceplate.link.text() == "⌀ no reply; no present values", timeout=TIMEOUT)
    assert output.output.text() == "? On"
    driver.reset()
    qtbot.waitUntil(lambda: output.output.text() == "On" and output.state.text() == "ON", timeout=TIMEOUT)
    driver.put({f"{CHANNEL}:TRIP.ZSV": 3, f"{CHANNEL}:ENABLE_RBV.OSV": 3, f"{CHANNEL}:TRIP": 0, f"{CHANNEL}:ENABLE_RBV": 1})
    try:
        qtbot.waitUntil(lambda: faceplate.trip.trip.text() == "? OK" and output.output.text() == "? On", timeout=TIMEOUT)
    finally:
        driver.put({f"{CHANNEL}:TRIP.ZSV": 0, f"{CHANNEL}:ENABLE_RBV.OSV": 0})
        driver.put({f"{CHANNEL}:TRIP": 0, f"{CHANNEL}:ENABLE_RBV": 1})
    qtbot.waitUntil(lambda: faceplate.trip.trip.text() == "OK" and output.output.text() == "On", timeout=TIMEOUT)


def test_trip_cause_and_reset(qtbot: QtBot, faceplate: ChannelFaceplate, driver: Driver) -> None:
    driver.put({f"{CHANNEL}:TRIP": 1, f"{CHANNEL}:TRIP_CAUSE": 1, f"{CHANNEL}:STATE": 6, f"{CHANNEL}:TRIP_RESET": 0})
    qtbot.waitUntil(lambda: faceplate.trip.trip.text() == "▲ Tripped: Over-current", timeout=TIMEOUT)
    qtbot.waitUntil(lambda: faceplate.output.state.text() == "▲ TRIPPED", timeout=TIMEOUT)
    text = press(qtbot, faceplate.trip.reset, QMessageBox.StandardButton.Yes)
    assert "Over-current" in text
    qtbot.waitUntil(lambda: value_of(qtbot, f"{CHANNEL}:TRIP_RESET") == 1, timeout=TIMEOUT)


def test_masking(qtbot: QtBot, faceplate: ChannelFaceplate) -> None:
    qtbot.waitUntil(faceplate.trip.mask_button.isEnabled, timeout=TIMEOUT)
    press(qtbot, faceplate.trip.mask_button, QMessageBox.StandardButton.Yes)
    qtbot.waitUntil(faceplate.trip.use_button.isVisible, timeout=TIMEOUT)
    assert value_of(qtbot, f"{CHANNEL}:MASK") == 1
    assert not faceplate.trip.mask_button.isVisible()


def test_read_only_screens_write_nothing(qtbot: QtBot, driver: Driver, site: Site) -> None:
    data_plugins.set_read_only(True)
    try:
        screen = ChannelFaceplate(macros={"SITE": str(site.folder), "P": CONTROLLER, "R": "CH03"})
        qtbot.addWidget(screen)
        screen.show()
        qtbot.waitUntil(lambda: screen.output.state.text() == "ON", timeout=TIMEOUT)
        assert not screen.output.on.isEnabled()
        assert not screen.output.entry.button.isEnabled()
        assert "read-only" in screen.output.on.toolTip()
        screen.close()
    finally:
        data_plugins.set_read_only(False)


def test_neighbours(qtbot: QtBot, driver: Driver, site: Site) -> None:
    first = windows.open_faceplate(ChannelFaceplate(macros=macros(site, "CH01")).names, {"SITE": str(site.folder)})
    assert isinstance(first, ChannelFaceplate)
    assert not first.previous.isEnabled()
    qtbot.mouseClick(first.next, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: f"{CONTROLLER}:CH01" not in windows.open_windows())
    second = windows.open_windows()[CHANNEL]
    assert second.isVisible()
    second.close()
    qtbot.waitUntil(lambda: not windows.open_windows())


def macros(site: Site, channel: str) -> dict[str, str]:
    return {"SITE": str(site.folder), "P": CONTROLLER, "R": channel}


def test_missing_macros_and_sites_are_said(qtbot: QtBot, site: Site, tmp_path: Any) -> None:
    with pytest.raises(BadInput, match="macro R"):
        ChannelFaceplate(macros={"SITE": str(site.folder), "P": CONTROLLER})
    with pytest.raises(BadInput, match=r"site\.yaml"):
        ChannelFaceplate(macros={"SITE": str(tmp_path), "P": CONTROLLER, "R": "CH01"})


ALARM = {
    "pv": f"{CHANNEL}:CURRENT_RBV",
    "description": "SiPM current",
    "severity": "MAJOR",
    "message": "HIHI",
    "value": "3.2 uA",
    "time": "2026-11-21T10:23:12.000000Z",
    "acknowledged": None,
}


def test_alarms_of_the_channel_come_with_guidance(
    qtbot: QtBot, faceplate: ChannelFaceplate, driver: Driver, ports: list[int]
) -> None:
    def answer(path: str, query: dict[str, list[str]]) -> Any:
        if path == "/active":
            return [ALARM] if query["path"] == ["NORTH/HV01/CH02"] else None
        if path == "/acknowledged":
            return [ALARM | {"pv": f"{CHANNEL}:TEMP_RBV", "severity": "MINOR_ACK", "acknowledged": {"user": "anna"}}]
        return ALARM | {"guidance": ["Lower the bias by 1 V <now>.", "Call the expert."]}

    with HttpStub(ports[4], answer):
        driver.put({"SCR:ALARM:NORTH:HV01:CH02": 6})
        qtbot.waitUntil(lambda: "What to do" in faceplate.alarm.text, timeout=TIMEOUT)
    text = faceplate.alarm.text
    assert faceplate.alarm.badge.text() == "▲ MAJOR"
    for part in ("CURRENT_RBV", "3.2 uA HIHI", "since 2026-11-21 10:23:12", "acknowledged by anna", "<now>"):
        assert part in text
    driver.put({"SCR:ALARM:NORTH:HV01:CH02": 0})
    qtbot.waitUntil(lambda: faceplate.alarm.badge.text() == "No alarm", timeout=TIMEOUT)
    assert faceplate.alarm.text == ""


def test_all_alarms_of_the_channel_are_followed_worst_first_with_the_guidance_of_the_first(
    qtbot: QtBot, faceplate: ChannelFaceplate, driver: Driver, ports: list[int]
) -> None:
    def alarm(suffix: str, severity: str, minute: int) -> dict[str, Any]:
        return ALARM | {"pv": f"{CHANNEL}:{suffix}", "severity": severity, "time": f"2026-11-21T10:{minute:02d}:00Z"}

    active = [alarm("CURRENT_RBV", "MAJOR", 1)]

    def answer_of(path: str, _query: dict[str, list[str]]) -> Any:
        if path == "/acknowledged":
            return []
        return active if path == "/active" else {"guidance": [f"<b>Guidance</b> of {path.rpartition('%3A')[2]}."]}

    def names() -> list[str]:
        return [line.split()[3] for line in faceplate.alarm.reasons.text().splitlines() if " · " in line]

    with HttpStub(ports[4], answer_of):
        driver.put({"SCR:ALARM:NORTH:HV01:CH02": 6, "SCR:ALARM:N_ALARMS": 1})
        qtbot.waitUntil(lambda: names() == ["CURRENT_RBV"], timeout=TIMEOUT)
        active[:] = [alarm("CARD_TEMP_RBV", "MINOR", 3), alarm("CURRENT_RBV", "MAJOR", 1), alarm("TEMP_RBV", "MAJOR", 2)]
        driver.put({"SCR:ALARM:N_ALARMS": 3})
        qtbot.waitUntil(lambda: names() == ["TEMP_RBV", "CURRENT_RBV", "CARD_TEMP_RBV"], timeout=TIMEOUT)
        assert faceplate.alarm.guidance_title.text() == "What to do about TEMP_RBV"
        qtbot.waitUntil(lambda: faceplate.alarm.guidance.y() < faceplate.alarm.reasons.y(), timeout=TIMEOUT)
        assert faceplate.alarm.guidance.text() == "<b>Guidance</b> of TEMP_RBV."
        active.insert(0, alarm("TRIP", "MAJOR", 0))
        driver.put({"SCR:ALARM:N_ALARMS": 4})
        qtbot.waitUntil(lambda: names()[:1] == ["TRIP"], timeout=TIMEOUT)
        assert faceplate.alarm.guidance.text() == "<b>Guidance</b> of TRIP."
        active.insert(0, alarm("TEMP_RBV", "INVALID", 5))  # the trip says what was done, whatever is worse
        driver.put({"SCR:ALARM:NORTH:HV01:CH02": 7})
        qtbot.waitUntil(lambda: names()[:2] == ["TRIP", "TEMP_RBV"], timeout=TIMEOUT)
        active[:] = [alarm("TRIP", "INVALID", 5), alarm("TEMP_RBV", "INVALID", 6)]  # no trip: nobody knows
        driver.put({"SCR:ALARM:N_ALARMS": 2})
        qtbot.waitUntil(lambda: names() == ["TEMP_RBV", "TRIP"], timeout=TIMEOUT)
        active[:] = [alarm("TEMP_RBV", "MAJOR", 2)]  # nothing that is counted changes
        qtbot.waitUntil(lambda: names() == ["TEMP_RBV"], timeout=TIMEOUT)
    driver.put({"SCR:ALARM:NORTH:HV01:CH02": 0})
    qtbot.waitUntil(lambda: faceplate.alarm.badge.text() == "No alarm", timeout=TIMEOUT)


@pytest.mark.parametrize(
    ("severity", "message", "says"),
    [
        ("UNDEFINED", "Disconnected", "The IOC of this channel is lost"),
        ("INVALID", "COMM", "The controller of this channel does not answer, or did not"),
    ],
)
def test_a_lost_channel_has_no_guidance_about_values(
    qtbot: QtBot, faceplate: ChannelFaceplate, driver: Driver, ports: list[int], severity: str, message: str, says: str
) -> None:
    lost = ALARM | {"severity": severity, "message": message, "value": ""}

    def answer(path: str, _query: dict[str, list[str]]) -> Any:
        found = {"/active": [lost], "/acknowledged": []}
        return found.get(path, lost | {"guidance": ["The crate is too warm."]})

    with HttpStub(ports[4], answer):
        driver.put({"SCR:ALARM:NORTH:HV01:CH02": 8})
        qtbot.waitUntil(lambda: "What to do" in faceplate.alarm.text, timeout=TIMEOUT)
    text = faceplate.alarm.text
    assert says in text
    assert "too warm" not in text
    driver.put({"SCR:ALARM:NORTH:HV01:CH02": 0})
    qtbot.waitUntil(lambda: faceplate.alarm.badge.text() == "No alarm", timeout=TIMEOUT)


def test_an_alarm_service_without_http_is_said_until_it_answers(
    qtbot: QtBot, faceplate: ChannelFaceplate, driver: Driver, ports: list[int]
) -> None:
    bad: list[Any] = [b"[" * 100_000, b"\xff", [1], [ALARM | {"severity": "ODD"}], {"path": 1}]
    answers = [[ALARM | {"pv": 5, "time": 6, "value": None}], [], {"guidance": ["Call."]}]

    def answer_of(_path: str, _query: dict[str, list[str]]) -> Any:
        return bad.pop() if bad else answers.pop(0) if answers else None

    with HttpStub(ports[4], answer_of):
        for number in range(len(bad)):
            driver.put({"SCR:ALARM:NORTH:HV01:CH02": 5, "SCR:ALARM:N_ALARMS": number + 1})
            qtbot.waitUntil(lambda wanted=4 - number: len(bad) == wanted, timeout=TIMEOUT)
            qtbot.waitUntil(lambda: "cannot be read" in faceplate.alarm.text, timeout=TIMEOUT)
        driver.put({"SCR:ALARM:N_ALARMS": 9})
        qtbot.waitUntil(lambda: "Call." in faceplate.alarm.text, timeout=TIMEOUT)
    driver.put({"SCR:ALARM:NORTH:HV01:CH02": 5, "SCR:ALARM:N_ALARMS": 8})
    qtbot.waitUntil(lambda: "cannot be read" in faceplate.alarm.text, timeout=TIMEOUT)
    driver.put({"SCR:ALARM:NORTH:HV01:CH02": 0})


def test_what_the_analysis_has_not_measured_is_no_alarm(qtbot: QtBot, faceplate: ChannelFaceplate, driver: Driver) -> None:
    gain = faceplate.calibration.measured["GAIN"]
    assert gain.text() == "not measured"
    driver.put({f"{CHANNEL}:GAIN": 1_250_000})
    qtbot.waitUntil(lambda: gain.text() == "1,250,000 e", timeout=TIMEOUT)


@pytest.mark.parametrize("name", ["overview.py", "channel.py"])
def test_screens_open_in_pydms_own_launcher(qtbot: QtBot, driver: Driver, site: Site, name: str) -> None:
    path = Path(opi.__file__).with_name(name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.path", list(sys.path))  # PyDM adds the folder of the screen
        screen: Any = load_py_file(str(path), macros=macros(site, "CH01"))
    qtbot.addWidget(screen)
    assert type(screen).__name__ in ("Overview", "ChannelFaceplate")
    screen.show()
    qtbot.waitUntil(lambda: screen.connected_count()[0] == screen.connected_count()[1], timeout=TIMEOUT)
    assert screen.loaded_file() == str(path)
    screen.close()
