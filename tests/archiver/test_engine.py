"""The engine on channels that do what the test says."""

import os
import resource
import threading
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
from sipmdcs.history import Reason
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
    monkeypatch.setattr("archiver.engine.QUIET_S", 0.5)
    storage = Storage(folder, SystemClock())
    engine = Engine(storage, channels, POLICIES)
    for number in range(100):
        channels.set("D:V", float(number))
    engine.start()
    wait_until(lambda: engine.counters.lost_overload > 0, "loss is noticed")
    assert engine.counters.lost_overload == 100 + 6 - 50

    def recorded() -> bool:
        storage.log.request_seal()  # one that comes before the loss was appended finds nothing to seal
        with storage.catalogue.reading() as db:
            return db.execute("SELECT cause, count FROM loss").fetchall() == [(1, 56)]

    wait_until(recorded, "loss is on record")
    for name in POLICIES:
        wait_until(lambda name=name: closed(storage, name), f"{name} was monitored anew")
        (gap,) = history(storage, name).gaps
        assert gap.reason == Reason.OVERLOAD
    channels.set("D:V", -1.0)
    wait_until(lambda: values(storage, "D:V")[-1] == -1.0, "it goes on")
    engine.stop()
    storage.close()


def closed(storage: Storage, name: str) -> bool:
    """Whether something is known again after a gap."""
    try:
        found = history(storage, name).gaps
    except NothingFound:
        return False
    return bool(found) and found[-1].known_ns is not None


def _narrow(capture):
    def narrow(self, names, *, mask, capacity=50):
        return capture(self, names, mask=mask, capacity=capacity)

    return narrow


def test_a_full_disk_is_shown_and_nothing_is_lost_while_memory_lasts(engine, storage, channels, monkeypatch):
    monkeypatch.setattr("archiver.engine.QUIET_S", 0.5)
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

    def recorded() -> bool:
        storage.log.request_seal()  # one that comes before the loss was appended finds nothing to seal
        with storage.catalogue.reading() as db:
            found = db.execute("SELECT cause, sum(count) FROM loss GROUP BY cause").fetchall()
            return found == [(2, engine.counters.lost_disk)]

    wait_until(recorded, "loss is on record")
    wait_until(lambda: closed(storage, "D:TEXT"), "a PV that does not change is known again")
    assert {gap.reason for gap in history(storage, "D:TEXT").gaps} == {Reason.DISK}
    assert engine.failure is None


def test_capture_and_answers_wait_for_no_disk(engine, storage, channels, monkeypatch):
    wait_until(lambda: values(storage, "D:V") == [1.0], "the first value")
    let_go = threading.Event()
    synced = os.fdatasync

    def hang(descriptor: int) -> None:
        let_go.wait(60)
        synced(descriptor)

    monkeypatch.setattr("archiver.segment.os.fdatasync", hang)
    try:
        channels.set("D:V", 2.0)
        wait_until(lambda: storage.log.unsafe_s > 1, "the disk hangs")
        for number in range(3, 50):
            channels.set("D:V", float(number))
        wait_until(lambda: values(storage, "D:V")[-1] == 49.0, "what comes in meanwhile is served")
        for number in range(3000):
            channels.set("D:V", float(number))
        wait_until(lambda: engine.counters.lost_disk > 0, "memory for what waits is used up, and that is counted")
        wait_until(lambda: bool(history(storage, "D:TEXT").gaps), "and told at once, of every PV")
        assert history(storage, "D:TEXT").ends_in is not None
    finally:
        let_go.set()
    wait_until(lambda: storage.log.unsafe_s < 1, "the disk is there again")


def test_what_comes_in_during_a_drain_has_not_been_heard(engine, storage, monkeypatch):
    (capture,) = engine._captures
    drain, drained, heard = capture.drain, [], []

    def slow_drain() -> object:
        heard.append(storage.log.heard_ns)
        drained.append(time.time_ns())
        batch = drain()
        time.sleep(0.1)
        return batch

    monkeypatch.setattr(capture, "drain", slow_drain)
    wait_until(lambda: len(drained) > 3, "drains")
    assert all(before <= heard_ns <= begun for before, heard_ns, begun in zip(heard, heard[1:], drained, strict=False))


@pytest.mark.parametrize("channel", ["D:ALIAS", "D:ALIAS.HIHI"])
def test_a_pv_under_two_names_is_archived_once(folder, channels, channel):
    _, _, field = channel.partition(".")
    real = f"D:REAL.{field}" if field else "D:REAL"
    for name in ("D:ALIAS", "D:REAL"):
        channels.add(f"{name}.NAME", "D:REAL")
    for name in (channel, real):
        channels.add(name, 1.0)
    for _ in range(2):
        storage = Storage(folder, SystemClock())
        engine = Engine(storage, channels, dict.fromkeys([real, channel, "D:V"], MONITOR))
        engine.start()
        wait_until(lambda storage=storage: storage.catalogue.aliases() == {channel: real}, "the alias is known")
        wait_until(lambda storage=storage: not storage.catalogue.pvs()[0].active, "it is archived no more")
        channels.set(real, 2.0)
        channels.set(channel, 2.0)
        wait_until(lambda storage=storage: values(storage, real)[-1] == 2.0, "the PV is archived")
        assert history(storage, channel).pv.name == real
        engine.stop()
        storage.close()


def test_an_archived_alias_is_found_under_the_name_of_its_record(folder, channels):
    channels.add("D:ALIAS.NAME", "D:REAL")
    channels.add("D:ALIAS", 1.0)
    storage = Storage(folder, SystemClock())
    engine = Engine(storage, channels, {"D:ALIAS": MONITOR})
    engine.start()
    wait_until(lambda: storage.catalogue.pv("D:REAL") is not None, "it is")
    assert values(storage, "D:REAL") == values(storage, "D:ALIAS") == [1.0]
    engine.stop()
    storage.close()


def test_a_thread_that_fails_is_noticed(engine, monkeypatch):
    def fail(*_: object) -> None:
        raise ZeroDivisionError("as a bug would")

    monkeypatch.setattr(engine.recorder, "take", fail)
    assert engine.failed.wait(5)
    assert isinstance(engine.failure, ZeroDivisionError)
