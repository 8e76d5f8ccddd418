"""What is sent of inputs: each change once, everything to a process that has nothing, never more than one table."""

import asyncio
from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.declaration import Declaration
from agents.feed import Feed
from agents.inputs import Wiring
from agents.latest import Latest
from agents.loading import load_plugin
from agents.plugin import Context
from agents.reading import NOTHING, Reading, Readings, is_valid
from agents.worker import Worker
from sipmdcs.channels_fake import FakeChannels
from sipmdcs.clock import ManualClock
from sipmdcs.severity import Severity, Status

NO_CHANNELS: Any = None
"""Values come from the test."""
WIRING = Wiring({"x": ("A", "B", "C"), "y": ("C", "D"), "none": (), "k": ("A", "E")}, frozenset({"k"}))
PLUGIN = """
import copy; from agents import Agent, Output
agent = Agent(interval=1, inputs={"x": "A"}, outputs=[Output("V")])
kept = []
def work(inputs):
    global seen
    seen = {group: copy.deepcopy(dict(rows)) for group, rows in inputs.groups.items()}
    kept.append((inputs.groups, seen))
    invalid, oldest = inputs["x"].invalid, inputs["x"].oldest_s
    assert invalid == [name for name, reading in seen["x"].items() if not reading.valid]
    assert oldest == max((reading.age_s for reading in seen["x"].values() if reading.age_s is not None), default=None)
    for rows in inputs.groups.values():
        for reading in rows.values():
            if isinstance(reading.raw, list): reading.raw.clear()
    return {"V": 1}
"""


class Entries:
    """A hot cache that holds what it is given."""

    def __init__(self):
        self.held = {}

    async def get(self, keys):
        return {key: self.held[key] for key in keys if key in self.held}


def worker_and_what_it_saw():
    worker = Worker()
    worker._plugin = load_plugin(PLUGIN, "seen.py", Context("T", (), {}))
    assert isinstance(worker._plugin.declaration, Declaration)
    return worker, worker._plugin.work.__globals__


values = st.one_of(st.none(), st.floats(-9, 9), st.text(max_size=3), st.lists(st.floats(-9, 9), max_size=3))
rows = st.tuples(values, st.integers(0, 3), st.sampled_from(["HIGH", "COMM"]), st.floats(0, 9), st.floats(0, 100))
steps = st.lists(
    st.one_of(
        st.tuples(st.just("change"), st.sampled_from("ABCD"), rows),
        st.tuples(st.just("entry"), st.sampled_from("AE"), st.integers(0, 3)),
        st.tuples(st.sampled_from(["run", "missed", "restart"]), st.none(), st.none()),
    ),
    max_size=30,
)


@given(steps)
def test_a_process_sees_every_input_as_it_is_whenever_it_runs(changes):
    asyncio.run(_follow(changes))


async def _follow(changes):
    clock = ManualClock()
    latest, cache = Latest(NO_CHANNELS, clock), Entries()
    feed = Feed(WIRING, latest, cache, clock)  # pyright: ignore[reportArgumentType]
    now = dict.fromkeys("ABCD", NOTHING)
    worker, saw = worker_and_what_it_saw()
    unsent: set[str] = set("ABCDE")
    for what, name, value in [*changes, ("run", None, None)]:
        clock.advance(1.0)
        if what == "change":
            now[name] = value
            latest.accept({name: value})
            unsent.add(name)
        elif what == "entry":
            cache.held[name] = b'{"value": %d, "severity": "MINOR", "status": "HIGH", "time": 1}' % value
            unsent.add(name)
        elif what == "restart":
            worker, saw = worker_and_what_it_saw()
            feed.send_all()
            unsent = set("ABCDE")
        elif what == "missed":
            await feed.refresh()  # a run without the inputs it requires
        else:
            await feed.refresh()
            request = feed.request()
            assert {name for group in request["rows"].values() for name in group} <= unsent
            unsent = set()
            assert "outputs" in worker.answer({"run": {**request, "time": 5.0}})
            for group in ("x", "y", "none"):
                expected = Readings.of_rows({name: now[name] for name in WIRING.groups[group]}, clock.monotonic())
                assert saw["seen"][group] == expected
                assert list(saw["seen"][group]) == list(WIRING.groups[group])
            lacked = [name for name in WIRING.groups["x"] if not is_valid(now[name])]
            if lacked:
                assert lacked[0] in feed.lacking("all")
            for key in WIRING.groups["k"]:
                seen = saw["seen"]["k"][key]
                assert seen.value == (int(cache.held[key].split(b",")[0].split()[1]) if key in cache.held else None)
    for groups, seen in saw["kept"]:
        assert groups.keys() == seen.keys()
        for group, before in seen.items():
            assert {name: replace(one, raw=None) for name, one in groups[group].items()} == {
                name: replace(one, raw=None) for name, one in before.items()
            }, "what a run got stays as it was"


def test_readings_are_what_a_plugin_makes_of_the_same_values_and_cannot_be_changed():
    made = Readings.of_rows({"A": (1.5, 1, "HIGH", 7.0, 2.0), "B": NOTHING}, 5.0)
    assert made == {"A": Reading(1.5, 1, "HIGH", 7.0, 3.0), "B": Reading()}
    assert (repr(made["A"]), hash(made["A"])) == (repr(copy := replace(made["A"])), hash(copy))
    assert type(made["A"]) is Reading
    with pytest.raises(FrozenInstanceError):
        made["A"].raw = 2.0  # pyright: ignore[reportAttributeAccessIssue]


async def test_only_what_is_not_connected_is_gone():
    clock = ManualClock()
    channels = FakeChannels(clock)
    channels.add("A", 1.5)
    channels.add("B", 2.5)
    latest, cache = Latest(channels, clock), Entries()
    feed = Feed(Wiring({"x": ("A", "B"), "k": ("E",)}, frozenset("k")), latest, cache, clock)  # pyright: ignore[reportArgumentType]
    await latest.watch("AB")

    async def seen():
        clock.advance(1.0)
        fresh, gone = await feed.refresh()
        return {name: row[:3] for name, row in fresh.items()}, set(gone)

    cache.held["E"] = b'{"value": 1, "severity": "MINOR", "status": "HIGH", "time": 1}'
    assert await seen() == ({"A": (1.5, 0, "NO_ALARM"), "B": (2.5, 0, "NO_ALARM"), "E": (1, 1, "HIGH")}, set())
    channels.set("A", 1.5, severity=Severity.INVALID, status=Status.COMM)
    assert await seen() == ({"A": (1.5, 3, "COMM")}, set())
    channels.disconnect("B")
    del cache.held["E"]
    assert await seen() == ({"B": (2.5, 3, "COMM"), "E": (None, 3, "UDF")}, {"B", "E"})
    channels.connect("B")
    assert await seen() == ({"B": (2.5, 0, "NO_ALARM")}, set())
