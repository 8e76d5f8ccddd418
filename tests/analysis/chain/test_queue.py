"""The queue: a job is taken once, comes back from the dead, and not for ever."""

import asyncio
import threading
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, insert, select, update

from analysis.chain import owners, queue
from analysis.chain.dispatcher import BATCH, Dispatcher, batches
from analysis.chain.ledger import Ledger
from analysis.chain.owners import STILL_S, Watch, own_name
from analysis.chain.pool import Pool
from analysis.chain.queue import Selection
from analysis.chain.settings import Settings
from analysis.chain.task import Work
from analysis.tables import Job, Owner, Raw
from sipmdcs.clock import SystemClock
from sipmdcs.errors import ServiceError

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
_keys = count()


def fill(engine: Engine, number: int, *, run: int = 1, channel: str = "A:B:C:CH01") -> list[int]:
    """So many raw results with a queued job each; the jobs."""
    jobs = []
    with engine.begin() as connection:
        for _ in range(number):
            raw = {"key": f"k{next(_keys)}", "run": run, "channel": channel, "kind": "spectrum", "taken_at": NOW}
            file = {"path": "x", "size": 1, "sha256": "", "conditions": {}}
            made = connection.scalar(insert(Raw).values(raw | file).returning(Raw.id))
            job = {"raw": made, "state": "queued", "attempts": 0, "owner": "", "queued_at": NOW, "error": ""}
            jobs.append(connection.scalar(insert(Job).values(job).returning(Job.id)))
    return jobs


def jobs(engine: Engine) -> list[tuple[object, ...]]:
    with engine.connect() as connection:
        return [
            tuple(row) for row in connection.execute(select(Job.state, Job.owner, Job.attempts, Job.error).order_by(Job.id))
        ]


def take(engine: Engine, owner: str, most: int = 100) -> list[Work]:
    with engine.begin() as connection:
        return queue.take(connection, owner, most, NOW)


def test_the_oldest_come_first_and_are_taken_once(engine: Engine) -> None:
    ids = fill(engine, 5)
    assert [work.job for work in take(engine, "a", 3)] == ids[:3]
    assert [work.job for work in take(engine, "b", 3)] == ids[3:]
    assert take(engine, "a") == []
    assert [row[:3] for row in jobs(engine)] == [("running", "a", 1)] * 3 + [("running", "b", 1)] * 2


def test_many_services_at_once_take_each_job_once(engine: Engine) -> None:
    ids = fill(engine, 120)
    taken: dict[str, list[int]] = {name: [] for name in "abcd"}

    def work(name: str) -> None:
        while found := take(engine, name, 7):
            taken[name] += [work.job for work in found]

    threads = [threading.Thread(target=work, args=(name,)) for name in taken]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(job for found in taken.values() for job in found) == ids


def test_a_job_that_kills_its_service_is_given_up(engine: Engine) -> None:
    fill(engine, 1)
    for attempt in (1, 2):
        take(engine, f"s{attempt}")
        with engine.begin() as connection:
            owners.bury(connection, f"s{attempt}", 3, NOW)
        assert jobs(engine) == [("queued", "", attempt, owners.DIED)]
    take(engine, "s3")
    with engine.begin() as connection:
        owners.bury(connection, "s3", 3, NOW)
    assert jobs(engine) == [("failed", "", 3, "the service died while it ran; begun 3 times, given up")]


def test_what_is_given_back_does_not_count(engine: Engine) -> None:
    fill(engine, 2)
    for _ in range(5):
        works = take(engine, "a")
        assert [work.attempts for work in works] == [1, 1]
        with engine.begin() as connection:
            queue.give_back(connection, "a", [works[0].job])
            owners.leave(connection, "a")
    assert jobs(engine) == [("queued", "", 0, "")] * 2


def test_jobs_that_were_taken_without_an_answer_are_reclaimed(engine: Engine) -> None:
    """The database died while it committed: the jobs are ours, and we never heard of them."""
    ids = fill(engine, 4)
    held = [work.job for work in take(engine, "a", 1)]
    take(engine, "a", 2)
    take(engine, "b", 1)
    with engine.begin() as connection:
        queue.reclaim(connection, "a", held)
    expected = [("running", "a", 1, ""), ("queued", "", 0, ""), ("queued", "", 0, ""), ("running", "b", 1, "")]
    assert jobs(engine) == expected
    assert [work.job for work in take(engine, "a")] == ids[1:3]


class _Unheard(Ledger):
    """A database that takes jobs once and dies before it says so."""

    died = False

    async def take(self, most: int) -> list[Work]:
        works = await super().take(most)
        if not self.died:
            self.died = True
            raise ServiceError("server closed the connection unexpectedly")
        return works


async def test_the_dispatcher_takes_again_what_it_never_heard_of(engine: Engine, tmp_path: Path) -> None:
    fill(engine, 3)
    ledger = _Unheard(engine, Settings(), SystemClock(), "me")
    dispatcher = Dispatcher(ledger, Pool("", 1), tmp_path, lambda works: None)
    with pytest.raises(ServiceError):
        await dispatcher.take(8)
    assert {row[:2] for row in jobs(engine)} == {("running", "me")}
    assert len(await dispatcher.take(8)) == 3
    assert [row[2] for row in jobs(engine)] == [1, 1, 1]
    assert await dispatcher.take(8) == []


def test_only_the_owner_gives_back(engine: Engine) -> None:
    (job,) = fill(engine, 1)
    take(engine, "a")
    with engine.begin() as connection:
        queue.give_back(connection, "b", [job])
        queue.give_up(connection, "b", [job], "x", 1, NOW)
        owners.leave(connection, "b")
    assert jobs(engine) == [("running", "a", 1, "")]


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection(), 3),
        (Selection(run=1), 2),
        (Selection(channel="A:B:C:CH02"), 1),
        (Selection(kind="iv"), 0),
        (Selection(failed=True), 1),
        (Selection(run=2, failed=True), 0),
    ],
)
def test_requeue_adds_a_job_per_raw_result_once(engine: Engine, selection: Selection, expected: int) -> None:
    done, failed = fill(engine, 2)
    fill(engine, 1, run=2, channel="A:B:C:CH02")
    take(engine, "a")
    with engine.begin() as connection:
        connection.execute(update(Job).where(Job.id == failed).values(state="failed"))
        connection.execute(update(Job).where(Job.id != failed).values(state="done"))
        assert queue.requeue(connection, selection, NOW) == expected
        assert queue.requeue(connection, selection, NOW) == 0, "they are queued already"
    works = take(engine, "a")
    assert len(works) == expected
    assert not any(work.first for work in works)
    assert done


def test_the_state_of_the_queue(engine: Engine) -> None:
    fill(engine, 5)
    running = take(engine, "a", 2)
    with engine.begin() as connection:
        connection.execute(update(Job).where(Job.id == running[0].job).values(state="failed", ended_at=NOW))
        state = queue.queue_state(connection, NOW - timedelta(hours=1))
        assert (state.queued, state.running, state.failed, state.oldest) == (3, 1, 1, NOW)
        assert queue.queue_state(connection, NOW + timedelta(hours=1)).failed == 0
        queue.requeue(connection, Selection(failed=True), NOW)
        assert queue.queue_state(connection, NOW - timedelta(hours=1)).failed == 0, "it is analysed again"


# -- who is alive ---------------------------------------------------------------------------------------------------------


def test_beats_count_up_and_leaving_forgets(engine: Engine) -> None:
    with engine.begin() as connection:
        owners.beat(connection, "a")
        owners.beat(connection, "a")
        owners.beat(connection, "b")
        assert owners.beats(connection) == {"a": 2, "b": 1}
        owners.leave(connection, "a")
        assert connection.scalars(select(Owner.name)).all() == ["b"]


def test_who_runs_jobs_without_ever_having_counted_is_dead(engine: Engine) -> None:
    fill(engine, 1)
    take(engine, "nobody")
    ledger = Ledger(engine, Settings(), SystemClock(), "me")
    asyncio.run(ledger.keep_alive())
    assert jobs(engine) == [("queued", "", 1, owners.DIED)]
    take(engine, "me")
    asyncio.run(ledger.keep_alive())
    assert jobs(engine) == [("running", "me", 2, owners.DIED)]


def test_a_count_that_stands_still_is_death() -> None:
    watch = Watch()
    for second in range(int(STILL_S)):
        assert watch.dead({"quiet": 5, "lively": second}, float(second)) == set()
    assert watch.dead({"quiet": 5, "lively": 99}, STILL_S) == {"quiet"}


def test_a_time_without_database_does_not_count_as_looking() -> None:
    watch = Watch()
    watch.dead({"a": 5}, 0.0)
    watch.dead({"a": 5}, 4.0)
    assert watch.dead({"a": 5}, 60.0) == set()
    assert watch.dead({"a": 5}, 64.0) == set()
    assert watch.dead({"a": 5}, 68.0) == set()
    assert watch.dead({"a": 5}, 71.0) == {"a"}


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(0.01, 4.9)), max_size=60))
def test_nobody_is_dead_whose_count_moved_within_the_time(steps: list[tuple[int, float]]) -> None:
    watch, now, beats, moved = Watch(), 0.0, 0, 0.0
    watch.dead({"a": 0}, now)
    for step, pause in steps:
        now += pause
        beats += step
        moved = now if step else moved
        assert ("a" in watch.dead({"a": beats}, now)) == (now - moved >= STILL_S)


def test_a_process_of_this_machine_that_is_gone_is_known_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    own = own_name()
    booted = psutil.boot_time()
    monkeypatch.setattr("psutil._pslinux.boot_time", lambda: booted + 3600)  # the clock of the machine is set
    host, pid, _ = own.rsplit(":", 2)
    assert not owners.is_gone(own)
    assert owners.is_gone(f"{host}:{pid}:1.00"), "the same number, another process"
    unused = max(psutil.pids()) + 10_000
    assert owners.is_gone(f"{host}:{unused}:1.00")
    assert not owners.is_gone(f"elsewhere:{unused}:1.00"), "nobody here can know"


# -- groups for workers ---------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(1, 3), max_size=100), st.integers(1, 16))
def test_every_job_is_in_one_group_and_those_begun_before_are_alone(attempts: list[int], slots: int) -> None:
    works = [Work(job, tries, "", "", "", "", None, NOW, {}, NOW, first=True) for job, tries in enumerate(attempts)]
    groups = batches(works, slots)
    assert sorted(work.job for group in groups for work in group) == list(range(len(works)))
    assert all(1 <= len(group) <= BATCH for group in groups)
    assert all(len(group) == 1 for group in groups if any(work.attempts > 1 for work in group))
