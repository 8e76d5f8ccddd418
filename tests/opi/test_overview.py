"""The overview with values, alarms, dead IOCs and back again, seen in its cells and its pixels."""

import json
import math
import time
from collections.abc import Iterator
from typing import Any

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QPoint, Qt
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QLabel

from opi import windows
from opi.cell import Look
from opi.detector import Quantity
from opi.link_watch import stale_after_s
from opi.overview import Overview
from opi.theme import PALETTE
from opi.widgets.cell_painter import luminance
from opi.widgets.channel_map import ChannelMap
from sipmdcs.severity import Severity
from sipmdcs.site import Site
from tests.opi.conftest import BaseIoc
from tests.opi.driving import Driver
from tests.opi.http_stub import HttpStub

HV01, HV02, LED = 0, 1, 2
TIMEOUT = 15_000


@pytest.fixture
def overview(qtbot: QtBot, driver: Driver, site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[Overview]:
    for name in ("opi.link_watch.STALE_LEAST_S", "opi.service_watch.DEAD_AFTER_S", "opi.alarm_watch.DEAD_AFTER_S"):
        monkeypatch.setattr(name, 2.0)
    screen = Overview(macros={"SITE": str(site.folder)})
    qtbot.addWidget(screen)
    screen.resize(1280, 800)
    screen.show()
    qtbot.waitUntil(lambda: screen.connected_count()[0] == screen.connected_count()[1], timeout=TIMEOUT)
    qtbot.waitUntil(lambda: all(look(screen, row, 0) is Look.VALUE for row in (HV01, HV02, LED)), timeout=TIMEOUT)
    yield screen
    screen.close()


def heat_map(screen: Overview) -> ChannelMap:
    return screen.map_card.map


def look(screen: Overview, row: int, channel: int) -> Look:
    return heat_map(screen).cell(row, channel).look


def colours(screen: Overview, row: int, channel: int) -> set[str]:
    """Colours in the picture of one cell."""
    image = heat_map(screen).grab(heat_map(screen).cell_rect(row, channel).toAlignedRect()).toImage()
    return {image.pixelColor(x, y).name() for x in range(image.width()) for y in range(image.height())}


def test_every_name_is_filled_in_and_the_window_keeps_its_size(overview: Overview) -> None:
    texts = [label.text() for label in overview.findChildren(QLabel)]
    assert "Screens under test" in texts
    assert [text for text in texts if "$(" in text or "${" in text] == []
    assert [channel.address for channel in overview.channels() if "$" in str(channel.address)] == []
    assert (overview.width(), overview.height()) == (1280, 800)


def test_values_are_painted_as_luminance(qtbot: QtBot, overview: Overview) -> None:
    channel_map = heat_map(overview)
    assert channel_map.cell(HV01, 3).value == pytest.approx(54.75)
    assert channel_map.scale is not None
    for channel in (0, 8, 15):
        expected = luminance(channel_map.scale, channel_map.cell(HV01, channel).value).name()
        assert expected in colours(overview, HV01, channel)
    assert QColor(luminance(channel_map.scale, 54)).lightness() > QColor(luminance(channel_map.scale, 57.75)).lightness()


def test_the_selector_changes_what_is_painted(overview: Overview) -> None:
    for quantity, value in ((Quantity.CURRENT, 0.1), (Quantity.TEMP, 24.5), (Quantity.OVERVOLTAGE, 5.0), (None, 4)):
        overview.map_card.choose(quantity)
        assert heat_map(overview).cell(HV02, 1).value == pytest.approx(value)


def test_severities_states_and_masks_are_outlined_and_lettered(qtbot: QtBot, overview: Overview, driver: Driver) -> None:
    prefix = "SCR:NORTH:HV01"
    driver.put({f"{prefix}:SEVERITY_WF": [0, 1, 2, 3] + [0] * 12, f"{prefix}:STATE_WF": [4, 4, 4, 4, 1, 3, 6, 7, 8] + [4] * 7})
    driver.put({f"{prefix}:CH10:MASK": 1})
    expected = [
        Look.VALUE,
        Look.VALUE,
        Look.VALUE,
        Look.UNKNOWN,
        Look.OFF,
        Look.VALUE,
        Look.TRIPPED,
        Look.INTERLOCKED,
        Look.ERROR,
    ]
    expected.append(Look.MASKED)
    qtbot.waitUntil(lambda: [look(overview, HV01, n) for n in range(10)] == expected, timeout=TIMEOUT)
    qtbot.waitUntil(lambda: heat_map(overview).cell(HV01, 2).severity is Severity.MAJOR, timeout=TIMEOUT)
    assert PALETTE.minor in colours(overview, HV01, 1)
    assert PALETTE.major in colours(overview, HV01, 2)
    assert PALETTE.invalid in colours(overview, HV01, 3)
    assert PALETTE.major in colours(overview, HV01, 6)
    assert not {PALETTE.minor, PALETTE.major, PALETTE.invalid} & colours(overview, HV01, 0)
    assert not {PALETTE.minor, PALETTE.major, PALETTE.invalid} & colours(overview, HV01, 9)
    qtbot.waitUntil(lambda: "2 tripped" in overview.header.state.text(), timeout=TIMEOUT)


@pytest.mark.timeout(180)
def test_a_dead_ioc_is_hatched_and_comes_back(
    qtbot: QtBot, overview: Overview, iocs: dict[str, BaseIoc], driver: Driver
) -> None:
    iocs["south"].kill()
    qtbot.waitUntil(lambda: look(overview, HV02, 0) is Look.LOST and look(overview, LED, 0) is Look.LOST, timeout=TIMEOUT)
    assert PALETTE.invalid in colours(overview, HV02, 0)
    assert look(overview, HV01, 0) is Look.VALUE
    assert "no present values" in describe(overview, HV02, 0)
    qtbot.waitUntil(lambda: "17 no value" in overview.header.state.text(), timeout=TIMEOUT)
    qtbot.waitUntil(lambda: "south gone" in overview.header.iocs.text(), timeout=TIMEOUT)
    iocs["south"].start()
    driver.reset()
    qtbot.waitUntil(lambda: look(overview, HV02, 0) is Look.VALUE and look(overview, LED, 0) is Look.VALUE, timeout=60_000)
    assert PALETTE.invalid not in colours(overview, HV02, 0)
    qtbot.waitUntil(lambda: "IOCs 2/2" in overview.header.iocs.text(), timeout=TIMEOUT)


def test_a_controller_that_does_not_answer_is_hatched(qtbot: QtBot, overview: Overview, driver: Driver) -> None:
    driver.put({"SCR:NORTH:HV01:CONNECTED": 0})
    qtbot.waitUntil(lambda: look(overview, HV01, 0) is Look.LOST, timeout=TIMEOUT)


@pytest.mark.parametrize(
    ("wanted_s", "in_force_s", "after_s"),
    [(None, None, 5), (0.1, 0.1, 5), (1.0, None, 5), (2.0, 2.0, 10), (1.0, 10.0, 50), (60.0, 0.0, 300)],
)
def test_values_are_stale_after_five_polls_of_a_slowed_loop_too(
    wanted_s: float | None, in_force_s: float | None, after_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opi.link_watch.STALE_LEAST_S", 5.0)
    assert stale_after_s(wanted_s, in_force_s) == after_s


def test_a_poll_loop_that_hangs_makes_its_values_stale(qtbot: QtBot, overview: Overview, driver: Driver) -> None:
    driver.silence("HV02")
    qtbot.waitUntil(lambda: look(overview, HV02, 0) is Look.STALE, timeout=TIMEOUT)
    assert PALETTE.stale in colours(overview, HV02, 0)
    assert look(overview, HV01, 0) is Look.VALUE


def test_alarms_are_listed_and_a_dead_alarm_service_is_said(qtbot: QtBot, overview: Overview, driver: Driver) -> None:
    qtbot.waitUntil(lambda: overview.header.alarm.text() == "No alarms", timeout=TIMEOUT)
    text = (
        "10:23:12 MAJOR SCR:NORTH:HV01:CH03:CURRENT_RBV 3.2 uA HIHI_ALARM\n"
        "10:20:00 MINOR SCR:SOUTH:HV02:CH01:TEMP_RBV 36 degC HIGH"
    )
    driver.put({"SCR:ALARM:LATEST": [*text.encode(), 0], "SCR:ALARM:LATEST_LEVELS": [6, 5]})
    driver.put({"SCR:ALARM:STATE": 6, "SCR:ALARM:N_ALARMS": 3, "SCR:ALARM:N_UNACKED": 2})
    rows = overview.banner.list
    qtbot.waitUntil(
        lambda: [row.pv for row in rows.rows] == ["SCR:NORTH:HV01:CH03:CURRENT_RBV", "SCR:SOUTH:HV02:CH01:TEMP_RBV"]
    )
    qtbot.waitUntil(lambda: overview.header.alarm.text() == "▲ MAJOR · 2 new of 3", timeout=TIMEOUT)
    assert rows.grab().toImage().pixelColor(200, 3).name() == PALETTE.major
    assert overview.banner.more.text() == "1 acknowledged"
    driver.put({"SCR:ALARM:LATEST": [0], "SCR:ALARM:LATEST_LEVELS": [0]})
    qtbot.waitUntil(lambda: rows.rows == [], timeout=TIMEOUT)
    driver.send({"hush": ["SCR:SYS:ALARMS:HEARTBEAT"]})
    qtbot.waitUntil(overview.banner.notice.isVisible, timeout=TIMEOUT)
    assert rows.rows == []
    assert "No alarm service" in overview.header.alarm.text()


def test_hover_tells_all_values_and_click_opens_the_faceplate(qtbot: QtBot, overview: Overview) -> None:
    text = describe(overview, HV02, 1)
    for part in ("SCR:SOUTH:HV02:CH02", "ON", "54.250 V", "0.100 µA", "24.50 °C", "5.000 V"):
        assert part in text
    centre = heat_map(overview).cell_rect(HV02, 1).center()
    qtbot.mouseClick(heat_map(overview), Qt.MouseButton.LeftButton, pos=QPoint(round(centre.x()), round(centre.y())))
    faceplate = windows.open_windows()["SCR:SOUTH:HV02:CH02"]
    qtbot.addWidget(faceplate)
    assert faceplate.isVisible()
    faceplate.close()


def test_mouse_released_over_another_cell_opens_nothing(qtbot: QtBot, overview: Overview) -> None:
    channel_map = heat_map(overview)
    opened: list[tuple[str, str]] = []
    channel_map.channel_clicked.disconnect()
    channel_map.channel_clicked.connect(lambda controller, channel: opened.append((controller, channel)))
    places = [channel_map.cell_rect(HV01, channel).center().toPoint() for channel in (1, 5)]
    qtbot.mousePress(channel_map, Qt.MouseButton.LeftButton, pos=places[0])
    qtbot.mouseRelease(channel_map, Qt.MouseButton.LeftButton, pos=places[1])
    qtbot.mouseRelease(channel_map, Qt.MouseButton.LeftButton, pos=places[0])
    assert opened == []


def test_totals(qtbot: QtBot, overview: Overview, driver: Driver) -> None:
    qtbot.waitUntil(lambda: len(overview.current.values) > 0, timeout=TIMEOUT)
    assert overview.current.values[-1] == pytest.approx(3.3)
    assert overview.temperature.values[-1] == pytest.approx(24.5)
    driver.put({"SCR:NORTH:HV01:CH01:MASK": 1})
    qtbot.waitUntil(lambda: abs(overview.current.values[-1] - 3.2) < 1e-6, timeout=TIMEOUT)
    assert "from" not in overview.current.title + overview.temperature.title
    driver.put({"SCR:NORTH:HV01:TEMP_RBV_WF": [math.nan] * 4 + [30.5] * 12, "SCR:SOUTH:HV02:CURRENT_RBV_WF": [0.1] * 9})
    qtbot.waitUntil(lambda: "2.50 µA from 25 of 32 channels" in overview.current.title, timeout=TIMEOUT)
    qtbot.waitUntil(lambda: "from 29 of 32 channels" in overview.temperature.title, timeout=TIMEOUT)


def describe(screen: Overview, row: int, channel: int) -> str:
    centre = heat_map(screen).cell_rect(row, channel).center()
    return heat_map(screen).describe(centre.x(), centre.y())


def test_trends_begin_with_the_last_hour_of_the_archive(qtbot: QtBot, driver: Driver, site: Site, ports: list[int]) -> None:
    def answer(path: str, query: dict[str, list[str]]) -> Any:
        times = range(int(time.time()) - 3000, int(time.time()) - 60, 30)
        return [{"data": [{"secs": when, "nanos": 0, "val": 2.0} for when in times]}] * 2

    with HttpStub(ports[3], answer) as archiver:
        screen = Overview(macros={"SITE": str(site.folder)})
        qtbot.addWidget(screen)
        screen.show()
        assert not screen.watch.settled(), "which channels are masked is not known yet"
        qtbot.waitUntil(lambda: len(screen.current.values) > 90 and len(screen.temperature.values) > 90, timeout=TIMEOUT)
        screen.close()
    assert screen.current.values[0] == pytest.approx(4.0)
    assert screen.temperature.values[0] == pytest.approx(2.0)
    assert {path for path, _ in archiver.asked} == {"/retrieval/data/getDataForPVs.json"}
    assert len(json.loads(archiver.posted[0])) == 33


def test_history_is_asked_for_until_the_archiver_has_answered(
    qtbot: QtBot,
    driver: Driver,
    site: Site,
    ports: list[int],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("opi.history.RETRY_MS", 300)
    bad: list[Any] = [
        None,
        {"error": "the archive starts"},
        [{"data": [{"secs": 1}]}],
        b"[" * 100_000,
    ] * 2  # of two trends each

    def answer(path: str, query: dict[str, list[str]]) -> Any:
        if bad:
            return bad.pop(0)
        return [{"data": [{"secs": int(time.time()) - 3000, "nanos": 0, "val": 2.0}]}] * 2

    screen = Overview(macros={"SITE": str(site.folder)})
    qtbot.addWidget(screen)
    screen.show()
    qtbot.waitUntil(lambda: caplog.text.count("no history from") > 2, timeout=2 * TIMEOUT)  # nothing listens
    with HttpStub(ports[3], answer):
        qtbot.waitUntil(lambda: len(screen.current.values) > 90 and len(screen.temperature.values) > 90, timeout=TIMEOUT)
        screen.close()
    assert screen.current.values[0] == pytest.approx(4.0)


def test_the_map_is_used_from_the_keyboard(qtbot: QtBot, overview: Overview) -> None:
    channel_map = heat_map(overview)
    opened: list[tuple[str, str]] = []
    channel_map.channel_clicked.disconnect()
    channel_map.channel_clicked.connect(lambda controller, channel: opened.append((controller, channel)))
    channel_map.setFocus()
    for key in (Qt.Key.Key_Right, Qt.Key.Key_Right, Qt.Key.Key_Down, Qt.Key.Key_Left, Qt.Key.Key_Return):
        qtbot.keyClick(channel_map, key)
    assert opened == [("SCR:SOUTH:HV02", "CH02")]
    assert PALETTE.text in colours(overview, HV02, 1), "where the keys are is seen"
    channel_map.clearFocus()
    assert PALETTE.text not in colours(overview, HV02, 1)
