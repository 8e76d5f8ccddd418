"""The engine on channels that do what the test says."""

import resource
import time
from collections.abc import Iterator

import pytest

from archiver.bins import Interval
from archiver.engine import Engine
from archiver.errors import NothingFound
from archiver.log import LogLimits
from archiver.operators import Processing
from archiver.query import Answer, Budget, ask
from archiver.storage import Storage
from sipmdcs.channels import PvType
from sipmdcs.channels_fake import FakeChannels
from sipmdcs.clock import NS, SystemClock
from sipmdcs.pvinfo import ArchiveMethod, ArchivePolicy
from sipmdcs.severity import Severity, Status
from tests.archiver.processes import wait_until

MONITOR = ArchivePolicy(ArchiveMethod.MONITOR, 1.0)
POLICIES = {"D:V": MONITOR, "D:SLOW": ArchivePolicy(ArchiveMethod.SCAN, 3600.0), "D:TEXT": MONITOR}


@pytest.fixture
def channels() -> FakeChannels:
    channels = FakeChannels()
    channels.add("D:V", 1.0, units="V", precision=3)
    channels.add("D:SLOW", 10.0)
    channels.add("D:TEXT", "one")
    return channels


@pytest.fixture
def storage(folder) -> Storage:
    return Storage(folder, SystemClock(), LogLimits(pending_bytes=80_000))


@pytest.fixture
def engine(storage, channels) -> Iterator[Engine]:
    engine = Engine(storage, channels, POLICIES)
    engine.start()
    yield engine
    engine.stop()
    storage.close()
    channels.close()


def history(storage: Storage, name: str) -> Answer:
    to_ns = time.time_ns() + 3600 * NS
    return ask(storage.catalogue, storage.reader, name, Processing(), Interval(0, to_ns), Budget())


def values(storage: Storage, name: str) -> list:
    samples = history(storage, name).samples
    return [samples.data(index) for index in range(len(samples))]


def test_values_come_in_with_severity_and_metadata(engine, storage, channels):
    channels.set("D:V", 2.0, severity=Severity.MAJOR, status=Status.HIHI)
    channels.set("D:TEXT", "two")
    wait_until(lambda: values(storage, "D:V") == [1.0, 2.0], "both values")
    samples = history(storage, "D:V").samples
    assert (samples.severity[-1], samples.status[-1]) == (Severity.MAJOR, Status.HIHI)
    assert values(storage, "D:TEXT") == ["one", "two"]
    wait_until(lambda: history(storage, "D:V").pv.metadata.get("EGU") == "V", "metadata")
    with pytest.raises(NothingFound):
        history(storage, "D:OTHER")


def test_of_a_scanned_pv_the_newest_value_is_kept_and_written_at_the_end(engine, storage, channels):
    wait_until(lambda: values(storage, "D:SLOW") == [10.0], "the first value, at once")
    for value in (11.0, 12.0, 13.0):
        channels.set("D:SLOW", value)
    channels.set("D:V", 2.0)
    wait_until(lambda: values(storage, "D:V")[-1:] == [2.0], "a value that came last")
    assert values(storage, "D:SLOW") == [10.0]
    engine.stop()
    assert values(storage, "D:SLOW") == [10.0, 13.0]


def test_a_disconnection_is_stored_when_it_happens(engine, storage, channels):
    wait_until(lambda: values(storage, "D:V") == [1.0], "the first value")
    channels.disconnect("D:V")
    wait_until(lambda: not engine.activity("D:V").connected, "disconnection")
    links = storage.reader.read(history(storage, "D:V").pv.id, 0, time.time_ns(), 100).links
    assert not links.connected[-1]
    channels.connect("D:V")
    channels.set("D:V", 3.0)
    wait_until(lambda: values(storage, "D:V")[-1:] == [3.0], "values again")
    (fields,) = history(storage, "D:V").fields.values()
    assert fields.keys() == {"cnxlostepsecs", "cnxregainedepsecs"}


def test_a_change_of_type_begins_a_new_span(engine, storage, channels):
    wait_until(lambda: bool(history(storage, "D:V").pv.types), "the first type")
    channels.disconnect("D:V")
    channels.add("D:V", "now a text")
    wait_until(lambda: len(history(storage, "D:V").pv.types) == 2, "the second type")
    assert [span.type for span in history(storage, "D:V").pv.types] == [PvType.DOUBLE, PvType.STRING]
    assert values(storage, "D:V") == [1.0, "now a text"]


def test_odd_time_stamps_are_flagged_and_kept(engine, storage, channels):
    now = time.time_ns()
    for shift, value in ((-3600, 5.0), (3600, 6.0), (1, 7.0)):
        channels.set("D:V", value, time_ns=now + shift * NS)
    wait_until(lambda: len(values(storage, "D:V")) == 4, "all of them")
    answer = history(storage, "D:V")
    assert values(storage, "D:V") == [5.0, 1.0, 7.0, 6.0]
    assert answer.fields == {0: {"late": "true"}, 3: {"future": "true"}}


def test_events_that_come_too_fast_are_counted_and_on_record(folder, channels, monkeypatch):
    monkeypatch.setattr(FakeChannels, "capture", _narrow(FakeChannels.capture))
    storage = Storage(folder, SystemClock())
    engine = Engine(storage, channels, POLICIES)
    for number in range(100):
        channels.set("D:V", float(number))
    engine.start()
    wait_until(lambda: engine.counters.lost_overload > 0, "loss is noticed")
    assert engine.counters.lost_overload == 100 + 6 - 50
    storage.log.request_seal()

    def recorded() -> bool:
        with storage.catalogue.reading() as db:
            return db.execute("SELECT cause, count FROM loss").fetchall() == [(1, 56)]

    wait_until(recorded, "loss is on record")
    engine.stop()
    storage.close()


def _narrow(capture):
    def narrow(self, names, *, mask, capacity=50):
        return capture(self, names, mask=mask, capacity=capacity)

    return narrow


def test_a_full_disk_is_shown_and_nothing_is_lost_while_memory_lasts(engine, storage, channels):
    wait_until(lambda: values(storage, "D:V") == [1.0], "the first value")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, hard))
    try:
        for number in range(500):
            channels.set("D:V", float(number))
        wait_until(lambda: engine.counters.refused != "", "the disk refuses")
        assert values(storage, "D:V")[-1] == 499.0, "what waits in memory is served"
        for number in range(500, 3000):
            channels.set("D:V", float(number))
        wait_until(lambda: engine.counters.lost_disk > 0, "memory is used up")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    wait_until(lambda: engine.counters.refused == "", "the disk takes the log again")
    channels.set("D:V", -1.0)
    wait_until(lambda: values(storage, "D:V")[-1] == -1.0, "it goes on")
    assert values(storage, "D:V")[1:501] == [float(number) for number in range(500)]
    storage.log.request_seal()

    def recorded() -> bool:
        with storage.catalogue.reading() as db:
            return [tuple(row) for row in db.execute("SELECT cause, count FROM loss")] == [(2, engine.counters.lost_disk)]

    wait_until(recorded, "loss is on record")
    assert engine.failure is None


def test_a_thread_that_fails_is_noticed(engine, monkeypatch):
    def fail(*_: object) -> None:
        raise ZeroDivisionError("as a bug would")

    monkeypatch.setattr(engine.recorder, "take", fail)
    assert engine.failed.wait(5)
    assert isinstance(engine.failure, ZeroDivisionError)
