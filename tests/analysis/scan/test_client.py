"""The command line without a scanner, and when others ask it as well."""

import json

import numpy as np
import pytest

from analysis.scan.chartext import from_chars, to_wire
from analysis.scan.client import ScannerClient
from analysis.scan.request import ScanRequest
from sipmdcs.channels import PvData
from sipmdcs.channels_fake import FakeChannels
from sipmdcs.errors import BadInput, ServiceError


def test_a_scanner_that_does_not_run_is_said_in_one_line() -> None:
    client = ScannerClient(FakeChannels(), "DET")
    for ask in (client.status, lambda: client.command("ABORT"), lambda: client.request(ScanRequest(who="x", channels=("*",)))):
        with pytest.raises(ServiceError, match=r"the scanner does not answer: .*; does it run\? sipmdcs status") as caught:
            ask()
        assert "\n" not in str(caught.value)


@pytest.fixture
def idle() -> FakeChannels:
    """PVs of a scanner."""
    pvs = FakeChannels()
    for suffix in ("STATE", "PROGRESS", "POINT", "N_POINTS", "REMAINING", "RUN", "N_CHANNELS", "N_STOPPED", "NOT_RESTORED"):
        pvs.add(f"DET:SCAN:{suffix}", 0)
    for suffix in ("MESSAGE", "CHANNELS", "STARTED_BY", "REPLY", "REQUEST"):
        pvs.add(f"DET:SCAN:{suffix}", np.zeros(2048, np.uint8))
    return pvs


def test_whose_scan_was_accepted_is_told_so_though_another_was_refused_since(idle: FakeChannels) -> None:
    def answer(value: PvData) -> None:
        own = {"id": json.loads(from_chars(value))["id"], "ok": True, "uid": "mine", "seconds": 3.0}
        other = {"id": "theirs", "ok": False, "reason": "x scans 1 channels", "accepted": own}
        idle.set("DET:SCAN:REPLY", to_wire(json.dumps(other)))

    idle.on_put("DET:SCAN:REQUEST", answer)
    assert ScannerClient(idle, "DET").request(ScanRequest(who="x", channels=("*",)))["uid"] == "mine"


def test_who_finds_only_answers_to_others_was_refused(idle: FakeChannels) -> None:
    idle.set(
        "DET:SCAN:REPLY", to_wire(json.dumps({"id": "theirs", "ok": False, "reason": "y", "accepted": {"id": "z", "ok": True}}))
    )
    with pytest.raises(BadInput, match="the scanner refused: "):
        ScannerClient(idle, "DET").request(ScanRequest(who="x", channels=("*",)))
