from __future__ import annotations

import signal

import pytest

from configtool.interruption import stop_on_signal


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_asks_and_the_second_forces(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    told: list[str] = []
    with stop_on_signal(told.append) as request:
        assert request.reason == ""
        signal.raise_signal(number)
        assert request.reason == f"interrupted by {number.name}"
        assert told == [f"{request.reason}: rolling back; once more stops at once and leaves the detector as it is then"]
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(number) == before
