"""The end of a job: rows, sums and values for PVs in one transaction; the newest counts."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, select, text

from analysis.chain import outputs, queue
from analysis.chain.macro import Entry, newest, summarise, update_macro
from analysis.chain.putter import put_all
from analysis.chain.results import Finished, store
from analysis.chain.settings import Settings
from analysis.chain.task import Reply, Work
from analysis.outcome import Outcome
from analysis.tables import Job, Macro, Output, Raw, Reco
from sipmdcs.channels_fake import FakeChannels
from tests.analysis.chain.test_queue import NOW, fill, take

GAIN = Outcome("gain", "generalised-poisson", "e", 1e6, 1e3, quality={"chi2": 10.0})
NO_GAIN = Outcome("gain", "generalised-poisson", "e", None, None, "flat")
VBR = Outcome("vbr", "ild", "V", 52.5, 0.01)
CHANNEL = "A:B:C:CH01"


def end(engine: Engine, works: list[Work], *outcomes: Outcome, error: str = "", owner: str = "a", settings: Any = None) -> int:
    """Store the same outcomes for each job; how many ended."""
    finished = [Finished(work, Reply(work.job, outcomes, error, "0.1 fit-1")) for work in works]
    with engine.begin() as connection:
        return len(store(connection, owner, finished, settings or Settings(), NOW))


def macro(engine: Engine) -> dict[tuple[int, str], tuple[int, int, float | None, float | None]]:
    with engine.connect() as connection:
        rows = connection.execute(select(Macro))
        return {(row.run, row.quantity): (row.channels, row.failed, row.mean, row.std) for row in rows}


def waiting(engine: Engine) -> dict[str, float]:
    with engine.connect() as connection:
        return {item.pv: item.value for item in outputs.pending(connection, NOW, 100)}


def test_rows_and_the_end_of_the_job_come_together(engine: Engine) -> None:
    fill(engine, 1)
    works = take(engine, "a")
    assert end(engine, works, GAIN, replace(GAIN, quantity="noise", unit="adc", value=5.0, quality={})) == 1
    with engine.connect() as connection:
        rows = connection.execute(select(Reco).order_by(Reco.id)).all()
        assert [(row.quantity, row.value, row.uncertainty, row.quality, row.code, row.run) for row in rows] == [
            ("gain", 1e6, 1e3, {"chi2": 10.0}, "0.1 fit-1", 1),
            ("noise", 5.0, 1e3, {}, "0.1 fit-1", 1),
        ]
        assert connection.execute(select(Job.state, Job.ended_at)).one() == ("done", NOW)
    assert macro(engine)[1, "gain"] == (1, 0, 1e6, None)
    assert waiting(engine) == {f"{CHANNEL}:GAIN": 1e6}


def test_a_job_that_is_not_ours_any_more_leaves_no_trace(engine: Engine) -> None:
    fill(engine, 1)
    works = take(engine, "a")
    assert end(engine, works, GAIN, owner="b") == 0
    with engine.begin() as connection:
        queue.give_up(connection, "a", None, "dead", 3, NOW)
    assert end(engine, works, GAIN) == 0
    with engine.connect() as connection:
        assert connection.execute(select(Reco)).all() == []
    assert macro(engine) == {}
    assert waiting(engine) == {}


def test_a_failed_job_has_its_reason_and_no_rows(engine: Engine) -> None:
    fill(engine, 1)
    end(engine, take(engine, "a"), error="x.npz: no raw result")
    with engine.connect() as connection:
        assert connection.execute(select(Job.state, Job.error)).one() == ("failed", "x.npz: no raw result")
        assert connection.execute(select(Reco)).all() == []


def test_outcomes_without_a_value_are_rows_and_touch_no_pv(engine: Engine) -> None:
    fill(engine, 1)
    end(engine, take(engine, "a"), NO_GAIN)
    with engine.connect() as connection:
        assert connection.execute(select(Reco.value, Reco.reason)).one() == (None, "flat")
        assert connection.scalar(select(Job.state)) == "done"
    assert macro(engine)[1, "gain"] == (0, 1, None, None)
    assert waiting(engine) == {}


def test_the_newest_analysis_counts_and_the_older_rows_stay(engine: Engine) -> None:
    fill(engine, 1, channel="A:B:C:CH01")
    fill(engine, 1, channel="A:B:C:CH02")
    end(engine, take(engine, "a"), GAIN)
    assert macro(engine)[1, "gain"] == (2, 0, 1e6, 0.0)
    with engine.begin() as connection:
        queue.requeue(connection, queue.Selection(channel="A:B:C:CH02"), NOW)
    end(engine, take(engine, "a"), replace(GAIN, value=2e6))
    assert macro(engine)[1, "gain"][:3] == (2, 0, 1.5e6)
    with engine.connect() as connection:
        assert len(connection.execute(select(Reco)).all()) == 3
        current = connection.execute(text("SELECT channel, value FROM analysis_reco_current ORDER BY channel")).all()
        assert current == [("A:B:C:CH01", 1e6), ("A:B:C:CH02", 2e6)]
    with engine.begin() as connection:
        queue.requeue(connection, queue.Selection(channel="A:B:C:CH02"), NOW)
    end(engine, take(engine, "a"), error="worker died")
    assert macro(engine)[1, "gain"][:3] == (2, 0, 1.5e6), "a failed analysis replaces nothing"


def test_the_sums_have_no_memory(engine: Engine) -> None:
    for channel in range(3):
        fill(engine, 1, channel=f"A:B:C:CH{channel:02d}")
    for work, value in zip(take(engine, "a"), (1.0, 2.0, 6.0), strict=True):
        end(engine, [work], replace(GAIN, value=value))
    before = macro(engine)
    assert before[1, "gain"] == (3, 0, 3.0, pytest.approx(7**0.5))
    with engine.begin() as connection:
        update_macro(connection, 1, "spectrum", NOW)
        update_macro(connection, 1, "spectrum", NOW)
    assert macro(engine) == before


_entries = st.lists(
    st.builds(
        Entry,
        channel=st.sampled_from(["CH1", "CH2", "CH3"]),
        quantity=st.sampled_from(["gain", "noise"]),
        method=st.just("m"),
        unit=st.just("e"),
        value=st.none() | st.floats(-1e6, 1e6),
        code=st.just("c"),
        taken_at=st.sampled_from([NOW, NOW + timedelta(seconds=1)]),
        raw=st.integers(1, 3),
        job=st.integers(1, 5),
    ),
    max_size=30,
)


@given(_entries, st.randoms())
def test_sums_follow_from_the_rows_whatever_their_order(entries: list[Entry], chance: Any) -> None:
    counting = newest(entries)
    assert {entry.channel for entry in counting} == {entry.channel for entry in entries}
    assert newest(counting) == counting
    for entry in entries:
        kept = next(row for row in counting if row.channel == entry.channel)
        assert (kept.taken_at, kept.raw, kept.job) >= (entry.taken_at, entry.raw, entry.job)
    shuffled = entries[:]
    chance.shuffle(shuffled)
    for row, again in zip(summarise(entries), summarise(shuffled), strict=True):
        assert row["mean"] == pytest.approx(again["mean"])
        assert row["channels"] + row["failed"] == sum(entry.quantity == row["quantity"] for entry in counting)
        assert row["minimum"] is None or row["minimum"] <= row["mean"] + 1e-6 <= row["maximum"] + 2e-6


# -- values for PVs -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcome", "settings", "expected"),
    [
        (GAIN, Settings(), 1e6),
        (replace(GAIN, unit="adc"), Settings(), None),
        (NO_GAIN, Settings(), None),
        (GAIN, Settings(publish=("vbr",)), None),
        (VBR, Settings(), 52.5),
        (replace(VBR, method="tangent"), Settings(), None),
        (replace(VBR, method="tangent"), Settings(vbr_method="tangent"), 52.5),
        (Outcome("crosstalk", "m", "%", 14.0, 0.1), Settings(), 14.0),
        (Outcome("dark_rate", "mean", "Hz", 3e5, 1.0), Settings(), 300.0),
        (Outcome("dark_rate", "zeros", "Hz", 3e5, 1.0), Settings(), None),
        (Outcome("noise", "m", "adc", 3.0, 1.0), Settings(), None),
    ],
)
def test_what_goes_into_the_pv(outcome: Outcome, settings: Settings, expected: float | None) -> None:
    assert outputs.pv_value(outcome, settings) == expected


def test_a_newer_raw_result_wins_whatever_the_order(engine: Engine) -> None:
    fill(engine, 3)
    first, second, third = take(engine, "a")
    end(engine, [replace(second, taken_at=NOW + timedelta(hours=1))], replace(GAIN, value=2.0))
    end(engine, [first], replace(GAIN, value=1.0))
    assert waiting(engine) == {f"{CHANNEL}:GAIN": 2.0}
    end(engine, [replace(third, taken_at=NOW + timedelta(hours=2))], replace(GAIN, value=3.0))
    assert waiting(engine) == {f"{CHANNEL}:GAIN": 3.0}


def test_a_value_waits_until_it_is_put_and_one_day_at_most(engine: Engine) -> None:
    fill(engine, 1)
    end(engine, take(engine, "a"), GAIN)
    with engine.begin() as connection:
        (item,) = outputs.pending(connection, NOW, 10)
        outputs.note(connection, {item: "not connected"}, NOW)
        assert outputs.pending(connection, NOW, 10) == [item]
        assert outputs.pending(connection, NOW + timedelta(days=2), 10) == []
        outputs.note(connection, {item: ""}, NOW)
        assert outputs.count_pending(connection, NOW) == 0
        assert connection.execute(select(Output.put_at, Output.error)).one() == (NOW, "")


def test_a_newer_value_is_not_taken_for_put_with_the_older(engine: Engine) -> None:
    fill(engine, 2)
    first, second = take(engine, "a")
    end(engine, [first], GAIN)
    with engine.begin() as connection:
        (item,) = outputs.pending(connection, NOW, 10)
    end(engine, [second], replace(GAIN, value=2e6))
    with engine.begin() as connection:
        outputs.note(connection, {item: ""}, NOW)
    assert waiting(engine) == {f"{CHANNEL}:GAIN": 2e6}


def world(t_ref: float = 25.0, t_coef: float = 54.0) -> FakeChannels:
    pvs = FakeChannels()
    for name, value in (("VBR", 50.0), ("VBR_TREF", t_ref), ("VBR_TCOEF", t_coef), ("GAIN", 1.0)):
        pvs.add(f"{CHANNEL}:{name}", value)
    return pvs


def test_vbr_is_put_for_the_reference_temperature_of_the_channel() -> None:
    pvs = world()
    cold, gain = (
        outputs.Pending(f"{CHANNEL}:VBR", 52.5, 20.0, 1),
        outputs.Pending(f"{CHANNEL}:GAIN", 1e6, None, 1),
    )
    assert put_all(pvs, [cold, gain]) == {cold: "", gain: ""}
    assert dict(pvs.puts) == {f"{CHANNEL}:VBR": pytest.approx(52.5 + 0.054 * 5), f"{CHANNEL}:GAIN": 1e6}


def test_vbr_without_temperature_is_not_put() -> None:
    pvs = world()
    item = outputs.Pending(f"{CHANNEL}:VBR", 52.5, None, 1)
    assert "no condition temperature_C" in put_all(pvs, [item])[item]
    assert pvs.puts == []


def test_what_cannot_be_put_says_why_and_the_others_are_put() -> None:
    pvs = world()
    pvs.disconnect(f"{CHANNEL}:VBR_TREF")
    pvs.add("A:B:C:CH02:GAIN", 1.0)
    pvs.refuse("A:B:C:CH02:GAIN", "no write access")
    items = [
        outputs.Pending(f"{CHANNEL}:VBR", 52.5, 20.0, 1),
        outputs.Pending(f"{CHANNEL}:GAIN", 1e6, None, 1),
        outputs.Pending("A:B:C:CH02:GAIN", 1e6, None, 1),
        outputs.Pending("A:B:C:CH03:GAIN", 1e6, None, 1),
    ]
    said = put_all(pvs, items)
    assert said[items[0]].startswith(f"{CHANNEL}:VBR_TREF: ")
    assert said[items[1]] == ""
    assert "no write access" in said[items[2]]
    assert said[items[3]].startswith("A:B:C:CH03:GAIN: ")
    assert pvs.puts == [(f"{CHANNEL}:GAIN", 1e6)]


def test_raw_times_are_aware(engine: Engine) -> None:
    fill(engine, 1)
    with engine.connect() as connection:
        taken: datetime | None = connection.scalar(select(Raw.taken_at))
    assert taken is not None
    assert taken.tzinfo is UTC
