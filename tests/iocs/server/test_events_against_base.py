"""The referee on alarms and events: EPICS Base and our server are swept through limits, states and properties."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tests.iocs.server.comparison import Pair, differences
from tests.iocs.server.conftest import Client


def _watch(pair: Pair, name: str, masks: tuple[int, ...]) -> None:
    for client in pair:
        for mask in masks:
            client.ask("watch", pvs=[name], mask=mask)
        client.ask("events", pv=name, count=len(masks))


def _events(client: Client, name: str, marker: str, number: int) -> list[Any]:
    """Events up to now: a put with completion to another field makes sure that all have come."""
    assert client.put(f"{name}.{marker}", number, 5) == 1
    return client.ask("events", pv=name, settle=0.1)


@pytest.mark.parametrize("hysteresis", [0, 1, 4])
@pytest.mark.parametrize("kind", ["ai", "ao", "longin", "longout"])
def test_sweep_through_the_limits(pair: Pair, kind: str, hysteresis: int) -> None:
    """Up through all limits and down again, in steps and jumps: severity, status and events at every step."""
    name = f"S:{kind}"
    step = 0.5 if kind in ("ai", "ao") else 1
    up = [step * n for n in range(round(-12 / step), round(12 / step) + 1)]
    path = [*up, *reversed(up), 0, 9, 8.9, 6, 5.9, 9.5, 5, -6, -5.5, -9, -8.5, -6.5, 100, -100, 0]
    path = [value if step == 0.5 else int(value) for value in path]
    for client in pair:
        assert client.put(f"{name}.HYST", hysteresis, 6) == 1
    if hysteresis == 0:
        _watch(pair, name, (1,))
    for value in path:
        for client in pair:
            assert client.put(name, value, 6) == 1
        seen = [f"{name}.{field}" for field in ("VAL", "SEVR", "STAT", "LALM", "MLST", "ALST", "ACKS")]
        assert differences(*pair, seen, 1) == [], value
    theirs, mine = (_events(client, name, "PHAS", hysteresis) for client in pair)
    assert mine == theirs
    assert len(mine) > 10


@pytest.mark.parametrize(("kind", "states"), [("bi", 2), ("bo", 2), ("mbbi", 4), ("mbbo", 4)])
def test_sweep_through_the_states(pair: Pair, kind: str, states: int) -> None:
    name = f"S:{kind}"
    _watch(pair, name, (1,))
    rnd = random.Random(kind)
    for _ in range(40):
        value = rnd.randrange(states)
        for client in pair:
            assert client.put(name, value, 3) == 1
        assert differences(*pair, [f"{name}.{field}" for field in ("VAL", "SEVR", "STAT", "LALM", "MLST")], 1) == [], value
    theirs, mine = (_events(client, name, "PHAS", 1) for client in pair)
    assert mine == theirs


PROPERTY_PUTS: list[tuple[str, Any, int]] = [
    ("ai.HIGH", 7, 6),
    ("ai.HIGH", 7, 6),
    ("ai.EGU", "mV", 0),
    ("ai.EGU", "mV", 0),
    ("ai.HSV", "MAJOR", 0),
    ("ai.HSV", "MAJOR", 0),
    ("ai.PREC", 4, 1),
    ("ai.HOPR", 30, 6),
    ("ai.HYST", 3, 6),
    ("ao.DRVH", 9, 6),
    ("ao.DRVH", 9, 6),
    ("bi.ZNAM", "No", 0),
    ("bi.ZNAM", "No", 0),
    ("bi.OSV", "MAJOR", 0),
    ("mbbo.ZRST", "None", 0),
    ("mbbo.ZRST", "None", 0),
    ("mbbo.TWST", "Two", 0),
    ("mbbi.ZRVL", 7, 5),
    ("ai.DESC", "other", 0),
    ("ai.SCAN", "I/O Intr", 0),
    ("ai.SCAN", "Passive", 0),
]


def test_events_when_a_property_changes(pair: Pair) -> None:
    """A property that is put anew but stays the same is no event."""
    records = ("P:ai", "P:ao", "P:bi", "P:mbbo", "P:mbbi")
    masks = {"": 1, ".VAL": 8}  # two names of one channel, so that the events do not mix
    for client in pair:
        for ending, mask in masks.items():
            client.ask("watch", pvs=[f"{record}{ending}" for record in records], mask=mask)
            for record in records:
                client.ask("events", pv=f"{record}{ending}", count=1)
    for field, value, number in PROPERTY_PUTS:
        record = f"P:{field.partition('.')[0]}"
        for client in pair:
            assert client.put(f"P:{field}", value, number) == 1
        assert differences(*pair, sorted({f"P:{field}", f"{record}.SCAN"}), 1) == []
        for ending in masks:
            theirs, mine = (len(client.ask("events", pv=f"{record}{ending}", settle=0.05)) for client in pair)
            assert mine == theirs, f"{field} {value} {ending}"


@pytest.mark.parametrize("mask", [2, 4])
def test_events_for_archive_and_alarm(pair: Pair, mask: int) -> None:
    name = "S:ai"
    rnd = random.Random(mask)
    other = f"{name}.VAL"  # a channel of its own, so that earlier monitors do not mix in
    _watch(pair, other, (mask,))
    value = 0.0
    for _ in range(60):
        value = max(-12.0, min(12.0, value + rnd.uniform(-3, 3)))
        for client in pair:
            client.put(name, value, 6)
    theirs, mine = (client.ask("events", pv=other, settle=0.1) for client in pair)
    assert mine == theirs
    assert len(mine) > 5
