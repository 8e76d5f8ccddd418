"""Trends from an archiver that speaks the Archiver Appliance's JSON, and on from there live."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from opi.theme import PALETTE
from opi.widgets import trend_plot
from opi.widgets.trend_card import TrendCard
from sipmdcs.site import Site
from tests.opi.driving import Driver
from tests.opi.http_stub import HttpStub

PV = "SCR:NORTH:HV01:CH02:VMON_RBV"
TIMEOUT = 15_000
RATE_HZ = 40
"""Samples of ten minutes are then more than PyDM's own buffer of 18,000 holds."""


def history(path: str, query: dict[str, list[str]]) -> Any:
    """A ramp over the last ten minutes, or 800 bins of a longer time."""
    end = time.time()
    if query["pv"][0].startswith("optimized_"):
        times = np.linspace(end - 8 * 3600, end, 800)
        data = [{"secs": int(when), "nanos": 0, "val": [50.0, 0.1, 49.0, 51.0, 10]} for when in times]
    else:
        times = np.arange(end - 600, end, 1 / RATE_HZ)
        data = [{"secs": int(t), "nanos": int(t % 1 * 1e9), "val": 40 + 10 * n / len(times)} for n, t in enumerate(times)]
    return [{"meta": {"name": query["pv"][0]}, "data": data}]


@pytest.fixture
def card(qtbot: QtBot, driver: Driver) -> Iterator[TrendCard]:
    card = TrendCard((("Voltage (V)", PV, PALETTE.plot_first),))
    qtbot.addWidget(card)
    card.resize(700, 300)
    card.show()
    yield card
    card.close_channels()
    card.close()


def line(card: TrendCard) -> tuple[np.ndarray, np.ndarray]:
    x, y = card.plots[0].curve.getData()
    return (np.array([]), np.array([])) if x is None or y is None else (x, y)


def test_archive_and_live_meet_at_the_mark(qtbot: QtBot, ports: list[int], driver: Driver, site: Site) -> None:
    with HttpStub(ports[3], history) as archiver:
        card = TrendCard((("Voltage (V)", PV, PALETTE.plot_first),))
        qtbot.addWidget(card)
        card.resize(700, 300)
        card.show()
        qtbot.waitUntil(lambda: len(line(card)[0]) > 20_000, timeout=TIMEOUT)
        qtbot.waitUntil(lambda: card.plots[0].live_from is not None, timeout=TIMEOUT)
        qtbot.waitUntil(lambda: line(card)[1][-1] == pytest.approx(54.25), timeout=TIMEOUT)
    path, query = archiver.asked[0]
    assert path == "/retrieval/data/getData.json"
    assert query["pv"] == [PV]
    x, y = line(card)
    live_from = card.plots[0].live_from
    assert live_from is not None
    assert np.all(np.diff(x) >= -1e-6)
    assert y[0] == pytest.approx(40, abs=0.1)
    assert abs(live_from - time.time()) < 60
    assert np.any(np.diff(x) < 0.5), "samples within a second stand beside each other"
    low, high = card.plots[0].plotItem.getViewBox().viewRange()[0]
    assert high - low == pytest.approx(600)
    image = card.plots[0].grab().toImage()
    drawn = {image.pixelColor(x, y).name() for x in range(image.width()) for y in range(0, image.height(), 2)}
    assert PALETTE.plot in drawn
    assert any(is_bluish(colour) for colour in drawn)
    card.close_channels()


def is_bluish(colour: str) -> bool:
    red, green, blue = (int(colour[n : n + 2], 16) for n in (1, 3, 5))
    return blue > red + 40 and blue > green + 20


def test_long_spans_are_asked_for_in_bins(qtbot: QtBot, card: TrendCard, ports: list[int]) -> None:
    with HttpStub(ports[3], history) as archiver:
        button = card.spans.button(8 * 3600)
        assert button is not None
        button.click()
        qtbot.waitUntil(lambda: any(query["pv"] == [f"optimized_800({PV})"] for _, query in archiver.asked), timeout=TIMEOUT)
        qtbot.waitUntil(lambda: len(line(card)[0]) >= 790, timeout=TIMEOUT)


def test_no_archive_is_said_and_live_goes_on(qtbot: QtBot, card: TrendCard) -> None:
    qtbot.waitUntil(card.no_archive.isVisible, timeout=TIMEOUT)
    qtbot.waitUntil(lambda: len(line(card)[0]) > 0, timeout=TIMEOUT)


@pytest.mark.parametrize("failing", [0, 1])
def test_an_archive_that_fails_for_one_trend_of_two_is_said_until_it_has_answered(
    qtbot: QtBot, ports: list[int], driver: Driver, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    monkeypatch.setattr(trend_plot, "RETRY_MS", 500)
    pvs = (PV, PV.replace("VMON", "CURRENT"))
    is_back = threading.Event()

    def answer(path: str, query: dict[str, list[str]]) -> Any:
        return None if query["pv"] == [pvs[failing]] and not is_back.is_set() else [{"meta": {}, "data": []}]

    with HttpStub(ports[3], answer) as archiver:
        card = TrendCard([(pv, pv, PALETTE.plot_first) for pv in pvs])
        qtbot.addWidget(card)
        card.show()
        qtbot.waitUntil(card.no_archive.isVisible, timeout=TIMEOUT)
        asked = len(archiver.asked)
        qtbot.waitUntil(lambda: len(archiver.asked) > asked + 1, timeout=TIMEOUT)
        qtbot.wait(100)
        assert card.no_archive.isVisible()
        is_back.set()
        qtbot.waitUntil(lambda: not card.no_archive.isVisible(), timeout=TIMEOUT)
    card.close_channels()


@pytest.mark.parametrize("reply", [[], [{"meta": {}, "data": []}]])
def test_an_empty_archive_is_no_failure(qtbot: QtBot, ports: list[int], driver: Driver, reply: list[Any]) -> None:
    with HttpStub(ports[3], lambda path, query: reply) as archiver:
        card = TrendCard((("Voltage (V)", PV, PALETTE.plot_first),))
        qtbot.addWidget(card)
        card.show()
        qtbot.waitUntil(lambda: len(archiver.asked) > 0 and len(line(card)[0]) > 0, timeout=TIMEOUT)
    assert not card.no_archive.isVisible()
    card.close_channels()


def test_a_content_type_with_a_character_set_is_taken(qtbot: QtBot, ports: list[int], driver: Driver) -> None:
    with HttpStub(ports[3], history, "application/json; charset=utf-8"):
        card = TrendCard((("Voltage (V)", PV, PALETTE.plot_first),))
        qtbot.addWidget(card)
        card.show()
        qtbot.waitUntil(lambda: len(line(card)[0]) > 20_000, timeout=TIMEOUT)
    card.close_channels()
