"""The command line without a scanner."""

import pytest

from analysis.scan.client import ScannerClient
from analysis.scan.request import ScanRequest
from sipmdcs.channels_fake import FakeChannels
from sipmdcs.errors import ServiceError


def test_a_scanner_that_does_not_run_is_said_in_one_line() -> None:
    client = ScannerClient(FakeChannels(), "DET")
    for ask in (client.status, lambda: client.command("ABORT"), lambda: client.request(ScanRequest(who="x", channels=("*",)))):
        with pytest.raises(ServiceError, match=r"the scanner does not answer: .*; does it run\? sipmdcs status") as caught:
            ask()
        assert "\n" not in str(caught.value)
