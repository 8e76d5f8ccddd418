"""What becomes of stops, starts and edits, on SQLite and PostgreSQL."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from logbook.downtime.call import Call, Mode
from logbook.downtime.desk import Desk
from logbook.downtime.operation import Ending
from logbook.downtime.record import EDITABLE, MESSAGE, UNDECIDED, Source, Value, text_of, value_of
from logbook.downtime.selection import Selection
from logbook.downtime.store import Conflict
from sipmdcs.clock import ManualClock
from sipmdcs.errors import BadInput
from sipmdcs.spool import Spool
from tests.logbook.downtime.conftest import DETECTORS, MakeSite
from tests.sqlite_writer import writing

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def ago(minutes: float) -> datetime:
    return NOW - timedelta(minutes=minutes)


def stop_at(when: datetime | None, run: int | None = 12) -> Call:
    return Call(Mode.SEMI_AUTOMATIC, "1", run, 3, when)


def start_at(when: datetime | None) -> Call:
    return Call(Mode.AUTOMATIC, "1", time=when)


def spool_of(desk: Desk) -> Spool:
    return desk.journal.spool


def test_a_stop_is_stored_open_and_a_start_ends_it(desk: Desk, clock: ManualClock) -> None:
    stopped = desk.stop(stop_at(ago(5)), "NEAR").record
    assert stopped is not None
    assert (stopped.id, stopped.run, stopped.subrun, stopped.started_at, stopped.ended_at) == (1, 12, 3, ago(5), None)
    assert (stopped.category, stopped.source, stopped.created_at, stopped.revision) == (UNDECIDED, Source.AUTOMATIC, NOW, 1)
    clock.advance(60)
    ended = desk.start(start_at(None), "NEAR").record
    assert ended is not None
    assert ended == desk.event(1)
    assert ended.ended_at == NOW + timedelta(seconds=60)
    (step,) = desk.history(ended)
    assert (step.who, step.field, step.before, step.after, step.revision) == (
        MESSAGE,
        "ended_at",
        "",
        "2026-01-01T00:01:00Z",
        2,
    )
    assert len(spool_of(desk)) == 0


def test_the_time_of_a_message_wins_over_its_arrival(desk: Desk) -> None:
    desk.stop(stop_at(ago(30)), "NEAR")
    ended = desk.start(start_at(ago(20)), "NEAR").record
    assert ended is not None
    assert ended.duration_s(NOW) == 600


def test_a_repeated_stop_makes_no_second_record(desk: Desk, clock: ManualClock) -> None:
    desk.stop(stop_at(ago(5)), "NEAR")
    clock.advance(1)
    again = desk.stop(stop_at(ago(5)), "NEAR")
    other = desk.stop(stop_at(ago(2), run=13), "NEAR")
    assert again.repeated
    assert other.repeated
    assert "NEAR is down already: event 1" in other.text
    desk.start(start_at(ago(1)), "NEAR")
    late = desk.stop(stop_at(ago(5)), "NEAR")
    assert late.repeated
    assert "stored before: event 1" in late.text
    assert len(desk.select(Selection())) == 1


def test_a_repeated_start_changes_nothing(desk: Desk, clock: ManualClock) -> None:
    desk.stop(stop_at(ago(5)), "NEAR")
    desk.start(start_at(ago(1)), "NEAR")
    clock.advance(1)
    again = desk.start(start_at(ago(1)), "NEAR")
    assert again.repeated
    assert "NEAR is up already: event 1" in again.text
    assert len(desk.history(desk.event(1))) == 1


def test_a_start_without_a_stop_is_told(desk: Desk) -> None:
    with pytest.raises(BadInput, match="NEAR has no open downtime"):
        desk.start(start_at(None), "NEAR")
    assert desk.select(Selection()) == []
    assert len(spool_of(desk)) == 0
    assert not spool_of(desk).refused.exists()


def test_out_of_order_messages_are_refused(desk: Desk) -> None:
    desk.stop(stop_at(ago(30)), "NEAR")
    with pytest.raises(BadInput, match=r"start of NEAR at .* is out of order: event 1"):
        desk.start(start_at(ago(31)), "NEAR")
    assert desk.event(1).is_open
    desk.start(start_at(ago(20)), "NEAR")
    with pytest.raises(BadInput, match=r"stop of NEAR at .* is out of order: event 1"):
        desk.stop(stop_at(ago(21), run=13), "NEAR")
    desk.stop(stop_at(ago(20), run=13), "NEAR")
    assert len(desk.select(Selection())) == 2


@pytest.mark.parametrize("stopped_at", [None, ago(-1)], ids=["the clock is set back", "the clock of the sender is ahead"])
def test_what_names_no_time_is_in_the_order_of_its_arrival(desk: Desk, clock: ManualClock, stopped_at: datetime | None) -> None:
    first = desk.stop(stop_at(stopped_at), "NEAR").record
    assert first is not None
    clock.step(-3600 if stopped_at is None else 0)
    clock.advance(10)
    ended = desk.start(start_at(None), "NEAR").record
    assert ended is not None
    assert (ended.started_at, ended.ended_at) == (first.started_at, first.started_at)
    waited = Ending("NEAR", desk.now(), desk.now())
    assert desk.store.apply(waited).record == ended, "done twice, as after a crash"
    clock.advance(10)
    second = desk.stop(stop_at(None, run=13), "NEAR").record
    assert second is not None
    assert (second.id, second.started_at) == (2, desk.now())


def test_times_in_the_future_are_refused_beyond_the_skew_of_clocks(desk: Desk) -> None:
    with pytest.raises(BadInput, match="stop 2026-01-01T00:01:01Z is in the future"):
        desk.stop(stop_at(ago(-61 / 60)), "NEAR")
    assert desk.select(Selection()) == []
    desk.stop(stop_at(ago(-1)), "NEAR")
    with pytest.raises(BadInput, match="start 2026-01-01T01:00:00Z is in the future"):
        desk.start(start_at(ago(-60)), "NEAR")
    assert desk.event(1).is_open


def test_two_detectors_are_down_independently(desk: Desk) -> None:
    desk.stop(stop_at(ago(30)), "NEAR")
    desk.stop(stop_at(ago(29)), "FAR")
    desk.start(start_at(ago(20)), "NEAR")
    assert [record.detector for record in desk.select(Selection(only_open=True))] == ["FAR"]


def test_a_stop_that_names_no_run_finds_it_in_the_run_table(desk: Desk) -> None:
    columns = "number, request_key, partition, type, state, opened_at, opened_by, ended_by, end_reason, config_hash"
    desk.select(Selection())
    with desk.store.engine.begin() as connection:
        for number, partition, minutes in ((6, "MAIN", 90), (7, "MAIN", 60), (8, "SCAN", 40), (9, "MAIN", 10)):
            at = f"{ago(minutes):%Y-%m-%d %H:%M:%S.000000}"
            values = f"{number}, '{number}', '{partition}', 'physics', 'ended', '{at}', 'a', '', '', ''"
            more = f"'1', '{{}}', '', '{at}'"
            connection.execute(
                text(
                    f"INSERT INTO logbook_run ({columns}, software_version, facts, summary, ended_at) VALUES ({values}, {more})"
                )
            )
    record = desk.stop(Call(Mode.SEMI_AUTOMATIC, "1", time=ago(30)), "NEAR").record
    assert record is not None
    assert record.run == 7


def test_an_edit_keeps_what_was_there(desk: Desk, clock: ManualClock) -> None:
    record = desk.stop(stop_at(ago(5)), "NEAR").record
    assert record is not None
    clock.advance(1)
    edited = desk.edit(record, {"category": "DAQ", "description": "hung", "user": "alice"}, "alice").record
    assert edited is not None
    assert (edited.category, edited.description, edited.user, edited.revision) == ("DAQ", "hung", "alice", 2)
    clock.advance(1)
    desk.edit(edited, {"run": None, "started_at": ago(6)}, "bob")
    steps = [(step.revision, step.who, step.field, step.before, step.after) for step in desk.history(edited)]
    assert steps == [
        (2, "alice", "category", UNDECIDED, "DAQ"),
        (2, "alice", "description", "", "hung"),
        (2, "alice", "user", "", "alice"),
        (3, "bob", "run", "12", ""),
        (3, "bob", "started_at", "2025-12-31T23:55:00Z", "2025-12-31T23:54:00Z"),
    ]


def test_of_two_who_edit_the_same_revision_the_second_is_told(desk: Desk, clock: ManualClock) -> None:
    seen = desk.stop(stop_at(ago(5)), "NEAR").record
    assert seen is not None
    desk.edit(seen, {"category": "DAQ"}, "alice")
    clock.advance(1)
    with pytest.raises(Conflict, match="event 1 was changed by alice"):
        desk.edit(seen, {"description": "no beam"}, "bob")
    assert desk.event(1).description == ""
    desk.edit(desk.event(1), {"description": "no beam"}, "bob")
    assert desk.event(1).description == "no beam"


def test_a_start_while_somebody_explains_is_no_conflict(desk: Desk) -> None:
    seen = desk.stop(stop_at(ago(5)), "NEAR").record
    assert seen is not None
    desk.start(start_at(ago(1)), "NEAR")
    with pytest.raises(Conflict, match="was changed by message"):
        desk.edit(seen, {"ended_at": ago(2), "category": "DAQ"}, "alice")
    both = desk.edit(seen, {"category": "DAQ", "user": "alice"}, "alice").record
    assert both is not None
    assert (both.category, both.ended_at, both.revision) == ("DAQ", ago(1), 3)


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"category": "Aliens"}, "category 'Aliens' is not in downtime.yaml, expected one of Beam"),
        ({"detector": "MIDDLE"}, "detector 'MIDDLE' is not in downtime.yaml"),
        ({"ended_at": ago(6)}, "end 2025-12-31T23:54:00Z is before start"),
        ({"ended_at": ago(-5)}, "end .* is in the future"),
        ({"started_at": ago(-5)}, "start .* is in the future"),
        ({"run": -1}, "run -1 is not from 0"),
        ({"subrun": 2**31}, "subrun 2147483648 is not from 0"),
        ({"description": "x" * 20_001}, "description has 20001 characters"),
        ({"description": "a\x00b"}, r"description has the character U\+0000"),
        ({"user": "a\nb"}, r"user has the character U\+000A"),
        ({"user": "\udc80"}, r"user has the character U\+DC80"),
    ],
)
def test_bad_values_change_nothing(desk: Desk, values: dict[str, Value], problem: str) -> None:
    seen = desk.stop(stop_at(ago(5)), "NEAR").record
    assert seen is not None
    with pytest.raises(BadInput, match=problem):
        desk.edit(seen, values, "alice")
    with pytest.raises(BadInput, match=problem):
        desk.new({"detector": "FAR", "category": "DAQ", "started_at": ago(5)} | values)
    assert desk.select(Selection()) == [seen]
    assert len(spool_of(desk)) == 0


def test_a_retired_category_stays_with_old_records_only(make_site: MakeSite, database_url: str, clock: ManualClock) -> None:
    with Desk(make_site(database_url, f"{DETECTORS}categories: [{{name: Beam}}, {{name: Target}}]"), clock=clock) as before:
        before.new({"detector": "NEAR", "started_at": ago(9), "ended_at": ago(8), "category": "Target"})
    retired = f"{DETECTORS}categories: [{{name: Beam}}, {{name: Target, retired: true}}]"
    with Desk(make_site(database_url, retired), clock=clock) as desk:
        desk.edit(desk.event(1), {"description": "scan"}, "alice")
        assert desk.event(1).category == "Target"
        with pytest.raises(BadInput, match="category 'Target' is retired, expected one of Beam"):
            desk.new({"detector": "NEAR", "category": "Target"})


def test_entries_by_hand(desk: Desk) -> None:
    desk.new({"detector": "NEAR", "started_at": ago(90), "ended_at": ago(80), "category": "Beam", "run": 11})
    still = desk.new({"detector": "NEAR", "category": "DAQ"}).record
    assert still is not None
    assert (still.started_at, still.ended_at, still.source) == (NOW, None, Source.MANUAL)
    with pytest.raises(BadInput, match="NEAR is down already: event 2"):
        desk.new({"detector": "NEAR", "category": "DAQ"})
    with pytest.raises(BadInput, match="NEAR is down already: event 2"):
        desk.edit(desk.event(1), {"ended_at": None}, "alice")
    with pytest.raises(BadInput, match="detector '' is not in"):
        desk.new({"category": "DAQ"})


def test_cuts(desk: Desk) -> None:
    for number, (minutes, category) in enumerate([(50, "Beam"), (40, "DAQ"), (30, UNDECIDED), (20, "DAQ")]):
        desk.new(
            {
                "detector": "FAR" if number == 1 else "NEAR",
                "started_at": ago(minutes),
                "ended_at": ago(minutes - 10),
                "category": category,
                "run": 10 + number,
                "description": ["no beam", "100% CPU", "", "Hung_up"][number],
            }
        )
    desk.stop(stop_at(ago(5), run=14), "NEAR")

    def events(**cuts: object) -> list[int | None]:
        return [record.id for record in desk.select(Selection(**cuts))]  # type: ignore[arg-type]

    assert events() == [5, 3, 4, 2, 1]
    assert events(since=ago(30)) == [5, 3, 4]
    assert events(until=ago(40)) == [1]
    assert events(detector="FAR") == [2]
    assert events(categories=("DAQ", "Beam")) == [4, 2, 1]
    assert events(first_run=11, last_run=13) == [3, 4, 2]
    assert events(only_open=True) == [5]
    assert events(only_undecided=True) == [5, 3]
    assert events(text="hung_") == [4]
    assert events(text="0%") == [2]
    assert events(text="'; DROP TABLE logbook_downtime; --") == []
    assert events(limit=2) == [5, 3]


@given(
    st.sampled_from(EDITABLE),
    st.integers(0, 2**31 - 1),
    st.text(),
    st.none() | st.datetimes(timezones=st.just(UTC)),
)
def test_fields_as_text_and_back(field: str, number: int, words: str, when: datetime | None) -> None:
    value = number if field in ("run", "subrun") else when if field.endswith("_at") else words
    assert value_of(field, text_of(value)) == value


def test_who_reads_waits_for_no_writer(make_site: MakeSite, tmp_path: Path) -> None:
    path = tmp_path / "test.sqlite"
    with Desk(make_site(f"sqlite:///{path}")) as desk:
        stopped = desk.stop(stop_at(ago(5)), "NEAR").record
        assert stopped is not None
        with writing(path):
            assert desk.select(Selection()) == [stopped]
            assert desk.history(stopped) == []
    with writing(path), Desk(make_site(f"sqlite:///{path}")) as another:
        assert another.event(1) == stopped
