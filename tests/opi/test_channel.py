"""The faceplate: values, limits, writes that go through only when confirmed, alarms with guidance."""

import sys
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
def faceplate(qtbot: QtBot, driver: Driver, site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[ChannelFaceplate]:
    monkeypatch.setattr("opi.pv_writer.ECHO_MS", 800)
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


def test_switching_asks_first(qtbot: QtBot, faceplate: ChannelFaceplate) -> None:
    text = press(qtbot, faceplate.output.off, QMessageBox.StandardButton.No)
    assert CHANNEL in text
    assert value_of(qtbot, f"{CHANNEL}:ENABLE") == 1
    press(qtbot, faceplate.output.off, QMessageBox.StandardButton.Yes)
    qtbot.waitUntil(lambda: value_of(qtbot, f"{CHANNEL}:ENABLE") == 0, timeout=TIMEOUT)
    text = press(qtbot, faceplate.output.on, QMessageBox.StandardButton.Yes)
    assert "54.250 V" in text
    qtbot.waitUntil(lambda: value_of(qtbot, f"{CHANNEL}:ENABLE") == 1, timeout=TIMEOUT)


def test_a_set_point_is_written_only_on_set(qtbot: QtBot, faceplate: ChannelFaceplate) -> None:
    entry = faceplate.output.entry
    qtbot.waitUntil(lambda: entry.present.text() == "54.250 V", timeout=TIMEOUT)
    qtbot.waitUntil(lambda: entry.range.text() == "0 … 80 V", timeout=TIMEOUT)
    qtbot.keyClicks(entry.edit, "53,5")
    assert value_of(qtbot, f"{CHANNEL}:BIAS") == 54.25
    qtbot.mouseClick(entry.button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: entry.present.text() == "53.500 V", timeout=TIMEOUT)
    assert value_of(qtbot, f"{CHANNEL}:BIAS") == 53.5
    assert faceplate.output.notice.text() == ""
    assert entry.edit.text() == ""


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("80.5", "not within 0 … 80 V"),
        ("-1", "not within"),
        ("5x", "not a number"),
        ("nan", "not a number"),
        ("5_0", "not a number"),
    ],
)
def test_a_bad_set_point_is_refused_here(qtbot: QtBot, faceplate: ChannelFaceplate, text: str, why: str) -> None:
    entry = faceplate.output.entry
    qtbot.waitUntil(lambda: entry.range.text() == "0 … 80 V", timeout=TIMEOUT)
    qtbot.keyClicks(entry.edit, text)
    qtbot.keyClick(entry.edit, Qt.Key.Key_Return)
    assert why in faceplate.output.notice.text()
    assert value_of(qtbot, f"{CHANNEL}:BIAS") == 54.25


def test_a_write_that_the_server_does_not_take_is_told(qtbot: QtBot, faceplate: ChannelFaceplate, driver: Driver) -> None:
    driver.put({f"{CHANNEL}:BIAS.DISP": 1})
    try:
        entry = faceplate.output.entry
        qtbot.keyClicks(entry.edit, "50")
        qtbot.mouseClick(entry.button, Qt.MouseButton.LeftButton)
        qtbot.waitUntil(lambda: "not accepted: asked for 50" in faceplate.output.notice.text(), timeout=TIMEOUT)
    finally:
        driver.put({f"{CHANNEL}:BIAS.DISP": 0})


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
        qtbot.waitUntil(lambda: "What to do" in faceplate.alarm.text.text(), timeout=TIMEOUT)
    text = faceplate.alarm.text.text()
    assert faceplate.alarm.badge.text() == "▲ MAJOR"
    for part in ("CURRENT_RBV", "3.2 uA HIHI", "since 2026-11-21 10:23:12", "acknowledged by anna", "&lt;now&gt;"):
        assert part in text
    driver.put({"SCR:ALARM:NORTH:HV01:CH02": 0})
    qtbot.waitUntil(lambda: faceplate.alarm.badge.text() == "No alarm", timeout=TIMEOUT)
    assert faceplate.alarm.text.text() == ""


def test_a_lost_channel_has_no_guidance_about_values(
    qtbot: QtBot, faceplate: ChannelFaceplate, driver: Driver, ports: list[int]
) -> None:
    lost = ALARM | {"severity": "UNDEFINED", "message": "Disconnected", "value": ""}

    def answer(path: str, _query: dict[str, list[str]]) -> Any:
        found = {"/active": [lost], "/acknowledged": []}
        return found.get(path, lost | {"guidance": ["The crate is too warm."]})

    with HttpStub(ports[4], answer):
        driver.put({"SCR:ALARM:NORTH:HV01:CH02": 8})
        qtbot.waitUntil(lambda: "What to do" in faceplate.alarm.text.text(), timeout=TIMEOUT)
    text = faceplate.alarm.text.text()
    assert "The IOC of this channel is lost" in text
    assert "too warm" not in text
    driver.put({"SCR:ALARM:NORTH:HV01:CH02": 0})
    qtbot.waitUntil(lambda: faceplate.alarm.badge.text() == "No alarm", timeout=TIMEOUT)


def test_an_alarm_service_without_http_is_said(qtbot: QtBot, faceplate: ChannelFaceplate, driver: Driver) -> None:
    driver.put({"SCR:ALARM:NORTH:HV01:CH02": 5})
    qtbot.waitUntil(lambda: "cannot be read" in faceplate.alarm.text.text(), timeout=TIMEOUT)
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
