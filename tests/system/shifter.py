"""A shifter at a display without a screen: sees windows by their titles and answers them with the keyboard, as X sends keys."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.system.installation import wait_until


class Shifter:
    """Somebody at the X display ``name``."""

    def __init__(self, name: str) -> None:
        self.environment = {"DISPLAY": name, "QT_QPA_PLATFORM": "xcb"}
        """Of programs that open their windows here."""

    def _xdotool(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = ["xdotool", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | self.environment)

    def sees(self, title: str) -> bool:
        """Whether a window with this in its title is open."""
        return self._xdotool("search", "--onlyvisible", "--name", title).returncode == 0

    def wait_for(self, title: str, timeout: float) -> None:
        """Until a window with this in its title is open, and go to it."""
        wait_until(lambda: self.sees(title), timeout, f"a window {title!r}")
        window = self._xdotool("search", "--onlyvisible", "--name", title).stdout.split()[0]
        # Without a window manager nobody else gives a window the keyboard.
        assert self._xdotool("windowfocus", "--sync", window).returncode == 0

    def type(self, text: str) -> None:
        """Type into whatever has the keyboard."""
        assert self._xdotool("type", "--delay", "20", text).returncode == 0

    def press(self, *keys: str) -> None:
        """Press keys one after the other, by their X names."""
        assert self._xdotool("key", "--delay", "50", *keys).returncode == 0


@contextmanager
def shifter() -> Iterator[Shifter]:
    """At a display of their own."""
    program = shutil.which("Xvfb")
    if program is None or shutil.which("xdotool") is None:
        pytest.fail("Xvfb or xdotool is missing; run make install")
    reading, writing = os.pipe()
    # The server chooses a number that is free and writes it.
    server = subprocess.Popen(
        [program, "-displayfd", str(writing), "-screen", "0", "1280x800x24", "-nolisten", "tcp"],
        pass_fds=(writing,),
        stderr=subprocess.DEVNULL,
    )
    os.close(writing)
    try:
        with os.fdopen(reading) as answer:
            number = answer.readline().strip()
        assert number, "Xvfb did not start"
        yield Shifter(f":{number}")
    finally:
        server.terminate()
        server.wait()
