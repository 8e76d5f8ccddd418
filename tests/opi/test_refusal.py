"""A faceplate against an IOC of this project with a simulated controller: what the IOC refuses is shown with its reason."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QMessageBox

from opi.channel import ChannelFaceplate
from opi.verdict import Weight
from opi.writes import shared_channels
from sipmdcs.channels import PvValue
from sipmdcs.site import Site

pytestmark = pytest.mark.timeout(300)  # three programs are started

PROGRAM = Path(sys.executable).with_name("sipmdcs")
CHANNEL = "LIV:BENCH:HV01:CH01"
TIMEOUT = 60_000
START_S = 150.0


@pytest.fixture(scope="module")
def live_site(tmp_path_factory: pytest.TempPathFactory, ports: list[int], channel_access: None) -> Iterator[Site]:
    """One simulated controller with its IOC; channel 1 may have 6 V of overvoltage."""
    folder = tmp_path_factory.mktemp("live")
    content = {
        "name": "One controller",
        "prefix": "LIV",
        "controllers": {"HV01": {"driver": "padme-nim", "id": "1", "subsystem": "BENCH", "port": "sim"}},
        "iocs": {"bench": {"controllers": ["HV01"]}},
        "channel_access": {"server_port": ports[5], "repeater_port": ports[2], "address_list": ["127.0.0.1"]},
        "archiver": {"port": ports[3]},
        "alarms": {"port": ports[4]},
    }
    (folder / "site.yaml").write_text(yaml.safe_dump(content), "utf-8")
    site = Site(folder)
    environment = os.environ | site.ca_environment()
    subprocess.run([str(PROGRAM), "--site", str(folder), "config", "render"], check=True, capture_output=True, env=environment)
    with (folder / "log.txt").open("w") as log:
        processes = [
            subprocess.Popen(
                [str(PROGRAM), "--site", str(folder), *command], stdout=log, stderr=subprocess.STDOUT, env=environment
            )
            for command in (["sim", "run"], ["ioc", "bench"])
        ]
    try:
        wait_for("LIV:BENCH:HV01:HEARTBEAT", lambda beat: beat > 0, folder)
        yield site
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(timeout=30)


def wait_for(pv: str, reached: object, folder: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        answer = shared_channels().get([pv], timeout=5.0)[pv]
        if isinstance(answer, PvValue) and callable(reached) and reached(answer.value):
            return
    pytest.fail(f"{pv}: {(folder / 'log.txt').read_text()}")


@pytest.fixture
def faceplate(qtbot: QtBot, live_site: Site) -> Iterator[ChannelFaceplate]:
    screen = ChannelFaceplate(macros={"SITE": str(live_site.folder), "P": "LIV:BENCH:HV01", "R": "CH01"})
    qtbot.addWidget(screen)
    screen.show()
    qtbot.waitUntil(lambda: screen.output.entry.range.text().endswith(" V"), timeout=TIMEOUT)
    qtbot.waitUntil(screen.output.on.isEnabled, timeout=TIMEOUT)
    yield screen
    screen.close()


def put(**values: float) -> None:
    answers = shared_channels().put({f"{CHANNEL}:{suffix}": value for suffix, value in values.items()}, timeout=30.0)
    assert set(answers.values()) == {None}, answers


def test_bias_that_the_ioc_refuses_is_refused_with_its_reason(qtbot: QtBot, faceplate: ChannelFaceplate) -> None:
    output = faceplate.output
    put(OVERVOLTAGE_LIMIT=6.0, BIAS=55.0)
    qtbot.waitUntil(lambda: output.entry.present.text() == "55.000 V", timeout=TIMEOUT)
    # As if the limit had come between the question and the put: what this screen knows would have stopped it.
    output._setpoint.write(75.1)
    qtbot.waitUntil(lambda: "75.100 V refused: overvoltage " in output.notice.text, timeout=TIMEOUT)
    assert "limit is 6 V" in output.notice.text
    assert output.entry.present.text() != "75.100 V"
    put(OVERVOLTAGE_LIMIT=30.0)  # the limit is no longer in the way, and yet nobody has asked for 75.1 V again
    qtbot.waitUntil(lambda: "was refused: overvoltage " in output.bias.judge_switching_on().text, timeout=TIMEOUT)
    assert output.bias.judge_switching_on().weight is Weight.REFUSAL


def test_switching_on_that_the_ioc_refuses_is_refused_with_its_reason(qtbot: QtBot, faceplate: ChannelFaceplate) -> None:
    output = faceplate.output
    put(OVERVOLTAGE_LIMIT=6.0, BIAS=55.0)
    interlock = "LIV:BENCH:HV01:INTERLOCK"
    assert shared_channels().put({interlock: 1}, timeout=30.0) == {interlock: None}
    try:
        qtbot.waitUntil(lambda: output.entry.present.text() == "55.000 V", timeout=TIMEOUT)
        qtbot.mouseClick(output.on, Qt.MouseButton.LeftButton)
        assert output.on.dialog is not None
        assert "55.000 V" in output.on.dialog.text()
        qtbot.mouseClick(output.on.dialog.button(QMessageBox.StandardButton.Yes), Qt.MouseButton.LeftButton)
        qtbot.waitUntil(lambda: "on refused: interlock is active" in output.switch_notice.text, timeout=TIMEOUT)
    finally:
        shared_channels().put({interlock: 0}, timeout=30.0)


def test_bias_within_the_range_is_done_when_the_device_holds_it(qtbot: QtBot, faceplate: ChannelFaceplate) -> None:
    output = faceplate.output
    put(OVERVOLTAGE_LIMIT=6.0, BIAS=55.0)
    qtbot.waitUntil(lambda: output.entry.present.text() == "55.000 V", timeout=TIMEOUT)
    qtbot.keyClicks(output.entry.edit, "55.25")
    qtbot.keyClick(output.entry.edit, Qt.Key.Key_Return)
    assert output.entry.dialog is None
    assert output.notice.text == "Writing 55.250 V, not confirmed yet …"
    qtbot.waitUntil(lambda: output.notice.text == "" and output.entry.edit.text() == "", timeout=TIMEOUT)
    held = shared_channels().get([f"{CHANNEL}:BIAS_RBV"])[f"{CHANNEL}:BIAS_RBV"]
    assert isinstance(held, PvValue)
    assert held.value == pytest.approx(55.25, abs=0.002)
