"""Drivers on running simulators: a real pseudo-terminal, real sockets."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from iocs.simulators import c11204_device
from iocs.simulators.background import Background, run_in_background
from iocs.simulators.c11204_server import serve_c11204
from iocs.simulators.padme_nim_server import serve_padme_nim
from iocs.simulators.server import Setup
from iocs.simulators.sipm import Sipm

PADME_SIPMS = {channel: Sipm(52.0 + channel / 100) for channel in range(1, 17)}


@pytest.fixture
def c11204(monkeypatch: pytest.MonkeyPatch) -> Iterator[Background]:
    monkeypatch.setattr(c11204_device, "TAU_S", 0.02)  # ten times faster than a module settles
    with run_in_background(serve_c11204, Setup("LED", {1: Sipm(52.0)})) as simulated:
        yield simulated


@pytest.fixture
def padme_nim() -> Iterator[Background]:
    with run_in_background(serve_padme_nim, Setup("HV13", PADME_SIPMS)) as simulated:
        yield simulated
