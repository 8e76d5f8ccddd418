"""Nothing is lost and nothing happens twice: database away, processes killed, two at once."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from logbook.downtime.call import Call, Mode
from logbook.downtime.desk import Desk
from logbook.downtime.operation import Ending, Opening, to_content
from logbook.downtime.record import UNDECIDED, Source
from logbook.downtime.selection import Selection
from logbook.downtime.store import Conflict, Done, Outcome
from sipmdcs.clock import ManualClock
from sipmdcs.errors import BadInput, ServiceError
from tests.logbook.downtime.conftest import MakeSite
from tests.postgresql import PostgresServer

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def stop_at(minutes: float) -> Call:
    return Call(Mode.SEMI_AUTOMATIC, "1", 12, 3, NOW - timedelta(minutes=minutes))


def start_at(minutes: float) -> Call:
    return Call(Mode.AUTOMATIC, "1", time=NOW - timedelta(minutes=minutes))


def opening(key: str, detector: str = "NEAR") -> Opening:
    return Opening(key, detector, 12, 3, NOW, None, UNDECIDED, "", "", Source.AUTOMATIC, NOW)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_database_that_stops_and_starts_loses_nothing(
    make_site: MakeSite, postgresql_to_stop: PostgresServer, clock: ManualClock
) -> None:
    with Desk(make_site(postgresql_to_stop.url), clock=clock) as desk:
        first = desk.stop(stop_at(50), "NEAR")
        assert not first.waiting
        postgresql_to_stop.stop()
        begin = time.monotonic()
        ended = desk.start(start_at(40), "NEAR")
        stopped = desk.stop(stop_at(30), "NEAR")
        assert ended.waiting
        assert stopped.waiting
        assert "kept until the database is back" in stopped.text
        assert stopped.record is not None
        assert stopped.record.id is None
        clock.advance(1)
        explained = desk.edit(stopped.record, {"category": "DAQ", "user": "alice"}, "alice")
        assert explained.waiting
        clock.advance(1)
        assert desk.start(start_at(20), "NEAR").waiting
        assert time.monotonic() - begin < 30
        with pytest.raises(ServiceError, match="database postgresql"):
            desk.select(Selection())
        with pytest.raises(ServiceError, match="database postgresql"):
            desk.journal.flush()
        assert len(desk.journal.spool) == 4
        postgresql_to_stop.start()
        assert desk.journal.flush() == 4
        second, before = desk.select(Selection(detector="NEAR", limit=9))[::-1]
        assert (before.id, before.ended_at, before.category) == (1, NOW - timedelta(minutes=40), UNDECIDED)
        assert (second.category, second.user, second.ended_at) == ("DAQ", "alice", NOW - timedelta(minutes=20))
    log = desk.log.path.read_text("utf-8")
    assert log.count(" database-failed ") >= 4
    assert log.count(" stored ") == 5


def test_what_waits_goes_first(make_site: MakeSite, postgresql_to_stop: PostgresServer, clock: ManualClock) -> None:
    with Desk(make_site(postgresql_to_stop.url), clock=clock) as desk:
        desk.select(Selection())
        postgresql_to_stop.stop()
        desk.stop(stop_at(30), "NEAR")
        postgresql_to_stop.start()
        ended = desk.start(start_at(20), "NEAR")
        assert ended.record is not None
        assert ended.record.started_at == NOW - timedelta(minutes=30)


def test_an_operation_may_be_done_twice(desk: Desk) -> None:
    """A process that dies after the commit leaves its entry, and the next process does it again."""
    begin = opening("message-1")
    end = Ending("NEAR", NOW, NOW)
    for operation, done in ((begin, Done.OPENED), (end, Done.ENDED)):
        outcomes = [desk.store.apply(operation) for _ in range(2)]
        assert [outcome.done for outcome in outcomes] == [done, done]
    assert len(desk.select(Selection())) == 1
    assert len(desk.history(desk.event(1))) == 1


def test_what_a_dead_process_left_is_done_by_the_next(desk: Desk) -> None:
    desk.journal.spool.put(to_content(opening("message-1")))
    assert desk.journal.flush() == 1
    assert desk.event(1).request_key == "message-1"


def test_what_can_never_be_done_is_set_aside_and_the_rest_goes_on(desk: Desk) -> None:
    spool = desk.journal.spool
    spool.put({"kind": "nonsense"})
    spool.put(to_content(Ending("NEAR", NOW, NOW)))
    (spool.folder / "00000000000000000000-half.json").write_text('{"kind": "open', "utf-8")
    stopped = desk.stop(stop_at(1), "NEAR")
    assert stopped.record is not None
    assert stopped.record.id == 1
    reasons = sorted(path.read_text("utf-8") for path in spool.refused.glob("*.reason"))
    assert [any(word in reason for reason in reasons) for word in ("no open downtime", "JSON", "not something")] == [True] * 3
    assert len(reasons) == 3


def test_many_at_once_make_one_record_each(make_site: MakeSite, database_url: str, clock: ManualClock) -> None:
    """Eight processes in two threads' clothing: the same stop, from desks that share a spool."""
    site = make_site(database_url)
    answers: list[bool] = []
    desks = [Desk(site, clock=clock) for _ in range(8)]
    desks[0].select(Selection())

    def call(number: int) -> None:
        answers.append(desks[number].stop(stop_at(number % 2), ["NEAR", "FAR"][number % 2]).waiting)

    threads = [threading.Thread(target=call, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [False] * 8
    assert sorted(record.detector for record in desks[0].select(Selection())) == ["FAR", "NEAR"]
    for desk in desks:
        desk.close()


def test_two_machines_with_spools_of_their_own(make_site: MakeSite, database_url: str) -> None:
    """The index of the database decides between them, and the loser is told."""
    with Desk(make_site(database_url)) as desk:
        barrier = threading.Barrier(6)
        outcomes: list[Outcome] = []

        def apply(number: int) -> None:
            barrier.wait()
            outcomes.append(desk.store.apply(opening(f"call-{number}")))

        desk.select(Selection())
        threads = [threading.Thread(target=apply, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(outcome.done for outcome in outcomes) == [Done.OPENED, *[Done.REPEATED] * 5]


def test_two_editors_at_once(make_site: MakeSite, database_url: str) -> None:
    with Desk(make_site(database_url)) as desk:
        seen = desk.stop(Call(Mode.SEMI_AUTOMATIC, "1", 12, 3), "NEAR").record
        assert seen is not None
        told: list[str] = []
        barrier = threading.Barrier(2)

        def edit(who: str) -> None:
            barrier.wait()
            try:
                desk.edit(seen, {"category": "DAQ", "description": who}, who)
            except (Conflict, BadInput) as err:
                told.append(f"{who}: {err}")

        threads = [threading.Thread(target=edit, args=(who,)) for who in ("alice", "bob")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        winner = desk.event(1).description
        (loser,) = told
        assert f"event 1 was changed by {winner}" in loser
        assert not loser.startswith(winner)


def test_a_database_that_hangs_holds_nobody_up(make_site: MakeSite, postgresql_to_stop: PostgresServer) -> None:
    site = make_site(postgresql_to_stop.url)
    with Desk(site) as patient:
        patient.select(Selection())
    with Desk(site, patient.file.model_copy(update={"patience_s": 2.0})) as desk:
        with desk.store.engine.begin() as holder:
            holder.execute(text("LOCK TABLE logbook_downtime IN ACCESS EXCLUSIVE MODE"))
            begin = time.monotonic()
            assert desk.stop(Call(Mode.SEMI_AUTOMATIC, "1", 12, 3), "NEAR").waiting
            assert time.monotonic() - begin < 20
        until(lambda: len(desk.journal.spool) == 0)
    with Desk(site) as patient:
        assert patient.event(1).run == 12


def test_a_spool_that_cannot_be_written_does_not_stop_the_database(desk: Desk) -> None:
    desk.journal.spool.folder.parent.mkdir(parents=True)
    desk.journal.spool.folder.write_text("in the way", "utf-8")
    assert not desk.stop(stop_at(1), "NEAR").waiting
    assert "spool-failed" in desk.log.path.read_text("utf-8")


def test_a_log_that_cannot_be_written_is_said_once(desk: Desk, capfd: pytest.CaptureFixture[str]) -> None:
    desk.log.path.mkdir(parents=True)
    desk.stop(stop_at(1), "NEAR")
    assert capfd.readouterr().err.count("cannot be written") == 1


KILLED = """
import sys
from pathlib import Path
from logbook.downtime.call import Call, Mode
from logbook.downtime.desk import Desk
from sipmdcs.site import Site
desk = Desk(Site(Path(sys.argv[1])))
apply = desk.store.apply
def tell(operation):
    {before}
    print("now", flush=True)
    sys.stdin.readline()
desk.store.apply = tell
desk.stop(Call(Mode.SEMI_AUTOMATIC, "1", 12, 3), "NEAR")
"""


@pytest.mark.parametrize("before", ["pass", "apply(operation)"], ids=["before the commit", "after the commit"])
def test_a_process_killed_at_the_worst_moment_loses_nothing(desk: Desk, before: str) -> None:
    command = [sys.executable, "-c", KILLED.format(before=before), str(desk.log.path.parents[2])]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "now\n"
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=30)
    assert len(desk.journal.spool) == 1
    assert desk.journal.flush() == 1
    (record,) = desk.select(Selection())
    assert (record.run, record.is_open) == (12, True)
    assert not desk.journal.spool.refused.exists()
