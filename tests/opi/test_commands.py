"""The command line of the screens."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from qtpy.QtGui import QImage

from opi.commands import find_channel, opi
from sipmdcs.errors import BadInput
from sipmdcs.site import Site
from tests.opi.driving import Driver

PROGRAM = str(Path(sys.executable).with_name("sipmdcs"))


def run(site: Site, *arguments: str, display: str = "") -> subprocess.CompletedProcess[str]:
    without = ("QT_QPA_PLATFORM", "DISPLAY", "WAYLAND_DISPLAY")
    environment = {name: value for name, value in os.environ.items() if name not in without}
    if display:
        environment["QT_QPA_PLATFORM"] = display
    command = [PROGRAM, "--site", str(site.folder), "opi", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=50, check=False, env=environment)


def test_no_display_is_one_clear_line(site: Site) -> None:
    done = run(site)
    assert done.returncode == 1
    assert done.stderr.strip() == "Error: no display: set DISPLAY, or save a picture with --screenshot FILE"


def test_pictures_need_no_display(site: Site, driver: Driver, tmp_path: Path) -> None:
    done = run(site, "screenshots", str(tmp_path / "img"), "--size", "1280x800", "--wait", "3")
    # This environment names one search address, so the southern IOC is not found: two screens in front of a half-dead site.
    assert done.returncode == 0, done.stderr
    for name in ("overview.png", "channel.png"):
        image = QImage(str(tmp_path / "img" / name))
        assert (image.width(), image.height()) == (1280, 800)
    assert "Traceback" not in done.stderr


def test_a_picture_of_nothing_fails_with_the_reason(site: Site, tmp_path: Path, free_port: int) -> None:
    text = (site.folder / "site.yaml").read_text("utf-8").replace("server_port:", f"server_port: {free_port}  #")
    (tmp_path / "site.yaml").write_text(text, "utf-8")
    done = run(Site(tmp_path), "--screenshot", str(tmp_path / "x.png"), "--wait", "1")
    assert done.returncode == 1
    assert "none of the" in done.stderr
    assert "are the IOCs up?" in done.stderr
    assert not (tmp_path / "x.png").exists()


@pytest.mark.parametrize(
    ("name", "why"),
    [("SCR:NORTH:HV09:CH01", "no controller SCR:NORTH:HV09"), ("SCR:NORTH:HV01:CH17", "channels CH01 to CH16")],
)
def test_unknown_channels_are_refused(site: Site, name: str, why: str) -> None:
    with pytest.raises(BadInput, match=why):
        find_channel(site, name)


@pytest.mark.parametrize("arguments", [["nonsense"], ["overview", "--size", "12"], ["channel"]])
def test_wrong_use_is_status_two(arguments: list[str]) -> None:
    assert CliRunner().invoke(opi, arguments).exit_code == 2
