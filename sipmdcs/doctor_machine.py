"""Checks of the machine, whatever the site."""

from __future__ import annotations

import ctypes
import importlib
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, requires, version

from sipmdcs import libca
from sipmdcs.finding import Finding, Level

_TIME_ERROR = 5
"""What adjtimex returns while the clock is not synchronised (adjtimex(2))."""
_TIMEX_BYTES = 256
"""More than ``struct timex`` has on any Linux."""
_OLDEST_SANE_YEAR = 2026
_QT_TIMEOUT_S = 30


def check_machine() -> Iterator[Finding]:
    """Findings about Python, libraries, Channel Access and the clock."""
    yield Finding("python", Level.OK, f"{platform.python_version()} in {sys.prefix}")
    yield _libraries()
    yield _libca()
    yield _capture()
    yield _clock()


def _libraries() -> Finding:
    names = [re.split(r"[^A-Za-z0-9_.-]", text, maxsplit=1)[0] for text in requires("sipmdcs") or () if "extra ==" not in text]
    missing = [name for name in names if not _is_installed(name)]
    if missing:
        return Finding("libraries", Level.FAIL, f"not installed: {', '.join(missing)}", "run make install")
    return Finding("libraries", Level.OK, f"all {len(names)} are installed")


def _is_installed(name: str) -> bool:
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True


def _libca() -> Finding:
    try:
        libca.load()
    except (ImportError, OSError) as err:
        return Finding("libca", Level.FAIL, f"cannot be loaded: {err}", "run make install")
    return Finding("libca", Level.OK, f"of epicscorelibs {version('epicscorelibs')}")


def _capture() -> Finding:
    try:
        importlib.import_module("sipmdcs._capture")
    except ImportError:
        text = "the C capture extension is not built, so archiving needs more processor time"
        return Finding("capture", Level.WARN, text, "install a C compiler and run make install")
    return Finding("capture", Level.OK, "the C extension is built")


@contextmanager
def trying_screens() -> Iterator[Callable[[], Finding]]:
    """Try whether screens can be shown, beside what the block does; the function waits for the finding."""
    if not _is_installed("pydm"):
        yield lambda: Finding("screens", Level.WARN, "PyDM is not installed", "run make install if this machine shows screens")
        return
    # In a process of its own: a library that is missing ends Qt, not us. The modules are those that PyDM uses; it takes six
    # times as long to load as they do, and needs no other libraries of the machine.
    code = "from PyQt6 import QtDesigner, QtOpenGLWidgets, QtSvg, QtTest, QtWidgets, uic; QtWidgets.QApplication([])"
    environment = os.environ | {"QT_QPA_PLATFORM": "offscreen"}
    command = [sys.executable, "-P", "-c", code]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as qt:
        try:
            yield lambda: _screens(qt)
        finally:
            qt.kill()


def _screens(qt: subprocess.Popen[str]) -> Finding:
    try:
        _, said = qt.communicate(timeout=_QT_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        return Finding(
            "screens", Level.WARN, f"Qt does not start within {_QT_TIMEOUT_S} s", "see whether the machine is overloaded"
        )
    if qt.returncode != 0:
        reason = (said.strip().splitlines() or [f"exit status {qt.returncode}"])[-1]
        return Finding("screens", Level.WARN, f"Qt does not start: {reason}", "run make install, which installs its libraries")
    return Finding("screens", Level.OK, f"Qt {version('PyQt6-Qt6')} starts, PyDM {version('pydm')} is installed")


def _clock() -> Finding:
    now = time.gmtime()
    if now.tm_year < _OLDEST_SANE_YEAR:
        return Finding(
            "clock", Level.FAIL, f"says {time.strftime('%Y-%m-%d', now)}", "set the clock; every sample carries its time"
        )
    state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    if state == _TIME_ERROR:
        return Finding("clock", Level.WARN, "is not synchronised", "install chrony, so that times of several machines agree")
    return Finding("clock", Level.OK, "is synchronised")
