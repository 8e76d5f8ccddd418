"""Requests to the control port."""

from __future__ import annotations

import json

import pytest

from iocs.simulators.control import answer
from iocs.simulators.faults import Faults, Knob


class Stub:
    """A controller that has knobs and nothing else."""

    endpoint: dict[str, str] = {}  # noqa: RUF012 - never written

    def __init__(self) -> None:
        self.turn = Faults(16, frozenset(Knob)).turn


def request(**fields: object) -> dict[str, object]:
    line = json.dumps({"controller": "HV01", "knob": "garbage", "value": "1"} | fields).encode()
    return answer(line, {"HV01": Stub(), "LED": Stub()})


def test_a_knob_is_turned() -> None:
    assert request() == {"ok": True, "value": 1.0}
    assert request(value=0) == {"ok": True, "value": None}
    assert request(channel=5, knob="extra-current", value="10") == {"ok": True, "value": 10.0}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"controller": "HV99"}, "HV99 is not simulated here, HV01, LED are"),
        ({"knob": "fire"}, "no knob fire"),
        ({"channel": 17, "knob": "extra-current"}, "channel 17 is outside 1 to 16"),
        ({"knob": "extra-current"}, "extra-current needs channel"),
        ({"value": "much"}, "is not a number"),
    ],
)
def test_refusals(fields: dict[str, object], message: str) -> None:
    reply = request(**fields)
    assert reply["ok"] is False
    assert message in str(reply["error"])


@pytest.mark.parametrize("line", [b"", b"nonsense", b"[]", b"1", b'{"controller": "HV01"}'])
def test_nonsense(line: bytes) -> None:
    assert answer(line, {})["ok"] is False
