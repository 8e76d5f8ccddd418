"""Tables of runs as data frames, on both databases."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sqlalchemy import insert, text

import logbook
from analysis import schema as analysis_schema
from analysis.tables import Job, Macro, Raw, Reco
from logbook.desk import Desk
from logbook.requests import MoveRequest, NoteRequest, OpenRequest
from logbook.run_state import Command
from logbook.tables import SlowControl
from sipmdcs.clock import ManualClock
from sipmdcs.errors import BadInput, ServiceError
from tests.logbook.conftest import MakeDesk

T = datetime(2026, 1, 1, tzinfo=UTC)
RUN_TYPES = {
    "number": "int64",
    "request_key": "string",
    "state": "string",
    "opened_at": "datetime64[us, UTC]",
    "started_at": "datetime64[us, UTC]",
    "ended_at": "datetime64[us, UTC]",
    "events": "Int64",
    "config_version": "Int64",
    "config_only": "string",
    "config_differing": "Int64",
    "config_compared_at": "datetime64[us, UTC]",
    "orphaned": "boolean",
    "facts": "object",
}


@pytest.fixture
def desk(make_desk: MakeDesk, database_url: str, clock: ManualClock) -> Desk:
    """Runs 1 to 3: the first has ended, the second is open, the third of another partition was aborted."""
    desk = make_desk(database_url)
    for key, partition in (("a", "MAIN"), ("b", "MAIN"), ("c", "LED")):
        asked = {"request_key": key, "partition": partition, "type": "physics", "who": "daq", "facts": {"key": key}}
        number = desk.open(OpenRequest.model_validate(asked), "http").run.number
        if key == "a":
            desk.move(number, Command.START, MoveRequest(who="daq"), "http")
            clock.advance(10.5)
            desk.move(number, Command.END, MoveRequest(who="daq", events=2**40), "http")
    desk.move(3, Command.ABORT, MoveRequest(who="daq"), "http")
    for field, value in (("quality", "bad"), ("quality", "good"), ("comment", "üß")):
        desk.note(1, NoteRequest(field=field, value=value, who="anna"))
    rows = [
        {
            "run": run,
            "pv": pv,
            "unit": "V",
            "samples": 3,
            "mean": mean,
            "minimum": mean,
            "maximum": mean,
            "rms": 0.0,
            "alarm_s": 0.0,
        }
        | {"invalid_s": 0.0}
        for run, pv, mean in ((1, "D:A", 1.5), (1, "D:B", None), (3, "D:A", 2.5))
    ]
    with desk.store.begin() as connection:
        connection.execute(insert(SlowControl), rows)
    return desk


def types(frame: pd.DataFrame) -> dict[str, str]:
    return {str(name): str(kind) for name, kind in frame.dtypes.items()}


def test_runs(desk: Desk, database_url: str) -> None:
    frame = logbook.read_table(database_url, "runs", 1, 3)
    assert list(frame["number"]) == [1, 2, 3]
    assert types(frame) | RUN_TYPES == types(frame)
    first = frame.iloc[0]
    assert (first["state"], first["events"], first["facts"]) == ("ended", 2**40, {"key": "a"})
    assert first["ended_at"] - first["opened_at"] == pd.Timedelta(seconds=10.5)
    assert first["opened_at"] == pd.Timestamp("2026-01-01", tz="UTC")
    assert (first["remark_quality"], first["remark_comment"]) == ("good", "üß")
    assert bool(frame.loc[[1], ["started_at", "ended_at", "events", "remark_quality"]].isna().to_numpy().all())
    assert list(logbook.read_table(database_url, "runs", 2)["number"]) == [2, 3]
    assert "remark_quality" not in logbook.read_table(database_url, "runs", 2, 3)


def test_an_empty_range_has_the_same_types(desk: Desk, database_url: str) -> None:
    full, empty = (logbook.read_table(database_url, "runs", first, first) for first in (2, 99))
    assert (len(empty), types(empty)) == (0, types(full))
    wide = logbook.read_table(database_url, "slow_control", 99, 99, pivot="mean")
    assert wide.shape == (0, 0)


def test_slow_control(desk: Desk, database_url: str) -> None:
    frame = logbook.read_table(database_url, "slow_control", 1, 3)
    assert list(zip(frame["run"], frame["pv"], strict=True)) == [(1, "D:A"), (1, "D:B"), (3, "D:A")]
    assert (types(frame)["mean"], types(frame)["samples"], types(frame)["pv"]) == ("float64", "int64", "string")
    wide = logbook.read_table(database_url, "slow_control", 1, 3, pivot="mean")
    assert (list(wide.index), list(wide.columns), wide.index.name) == ([1, 3], ["D:A", "D:B"], "run")
    assert (wide.loc[1, "D:A"], wide.loc[3, "D:A"]) == (1.5, 2.5)
    assert wide["D:B"].isna().all()
    assert wide.attrs["units"] == {"D:A": "V", "D:B": "V"}
    assert logbook.read_table(database_url, "slow_control", 1, 3, pivot="alarm_s").attrs["units"] == {"D:A": "s", "D:B": "s"}


def test_reco_and_macro(desk: Desk, database_url: str) -> None:
    with pytest.raises(ServiceError, match="has no table analysis_reco_current yet"):
        logbook.read_table(database_url, "reco", 1, 3)
    analysis_schema.upgrade(desk.store.engine)
    raw = {"key": "k", "run": 1, "channel": "D:A", "kind": "iv", "taken_at": T, "path": "p", "size": 1, "sha256": ""}
    job = {"raw": 1, "state": "done", "queued_at": T}
    reco = {"job": 1, "channel": "D:A", "kind": "iv", "quantity": "vbr", "method": "ild", "unit": "V", "code": "c"}
    macro = {"kind": "iv", "quantity": "vbr", "method": "ild", "unit": "V", "channels": 1, "failed": 1, "code": "c"}
    figures = {"mean": 53.1, "std": None, "minimum": 53.1, "maximum": 53.1}
    with desk.store.begin() as connection:
        connection.execute(insert(Raw), [raw])
        connection.execute(insert(Job), [job])
        for run, value in ((1, 53.1), (2, None)):
            row: dict[str, Any] = {"run": run, "value": value, "uncertainty": value, "quality": {"ndf": 3}, "analysed_at": T}
            connection.execute(insert(Reco), [reco | row])
            connection.execute(insert(Macro), [macro | figures | {"run": run, "updated_at": T}])
    frame = logbook.read_table(database_url, "reco", 1, 2)
    assert (list(frame["run"]), frame["value"].iloc[0], frame["value"].isna().iloc[1]) == ([1, 2], 53.1, True)
    assert (types(frame)["value"], types(frame)["run"], types(frame)["analysed_at"]) == (
        "float64",
        "Int64",
        "datetime64[us, UTC]",
    )
    assert frame["quality"].iloc[0] == {"ndf": 3}
    summed = logbook.read_table(database_url, "macro", 2, 2)
    assert (list(summed["run"]), types(summed)["std"], summed["std"].isna().all()) == ([2], "float64", True)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_role_that_can_only_read_is_enough(desk: Desk, database_url: str) -> None:
    with desk.store.begin() as connection:
        connection.execute(text("DROP ROLE IF EXISTS reader"))
        connection.execute(text("CREATE ROLE reader LOGIN"))
        connection.execute(text("GRANT USAGE ON SCHEMA public TO reader"))
        connection.execute(text("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader"))
    url = database_url.replace("postgres@", "reader@")
    assert len(logbook.read_table(url, "runs", 1, 3)) == 3
    with desk.store.begin() as connection:
        connection.execute(text("DROP OWNED BY reader"))
        connection.execute(text("DROP ROLE reader"))


@pytest.mark.parametrize(
    ("arguments", "pivot", "message"),
    [
        (("people", 1, 2), None, "'people' is no table, expected one of runs, slow_control, reco, macro"),
        (("runs; DROP TABLE logbook_run", 1, 2), None, "is no table"),
        (("runs", 3, 1), None, "runs 3 to 1: expected two numbers"),
        (("runs", -1, 1), None, "expected two numbers"),
        (("runs", 0, 2**40), None, "expected two numbers"),
        (("runs", 1, 2), "mean", "only slow_control can be pivoted"),
        (("slow_control", 1, 2), "middle", "by one of samples, mean"),
    ],
)
def test_bad_questions(arguments: tuple, pivot: str | None, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        logbook.read_table("sqlite:////nowhere/nothing.sqlite", *arguments, pivot=pivot)


def test_a_mistyped_file_is_not_made(tmp_path: Path) -> None:
    typo = tmp_path / "folder" / "typo.sqlite"
    with pytest.raises(ServiceError, match=f"database sqlite:///{typo}: there is no such file"):
        logbook.read_table(f"sqlite:///{typo}", "runs")
    assert not typo.parent.exists()
    with pytest.raises(BadInput, match="cannot be understood"):
        logbook.read_table("nonsense", "runs")


def test_a_database_that_is_away(free_port: int) -> None:
    with pytest.raises(ServiceError, match=r"database postgresql\+psycopg://me:\*\*\*@127.0.0.1"):
        logbook.read_table(f"postgresql+psycopg://me:secret@127.0.0.1:{free_port}/x", "runs")
