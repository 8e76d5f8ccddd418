"""Raw first: file and rows together, whatever interrupts, whatever is in the inbox."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select, text

from analysis.chain import intake
from analysis.chain.inbox import deliver, inbox
from analysis.chain.intake import take_in, waiting
from analysis.outcome import Kind
from analysis.tables import Job, Raw
from sipmdcs.errors import ServiceError

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def give(folder: Path, key: str, value: float = 1.0, run: int | None = 7) -> Path:
    return deliver(folder, key=key, channel="A:B:C:CH01", kind=Kind.SPECTRUM, array=[value], conditions={"t_C": 1.0}, run=run)


def counts(engine: Engine) -> tuple[int | None, int | None]:
    with engine.connect() as connection:
        raw = connection.scalar(select(func.count()).select_from(Raw))
        return raw, connection.scalar(select(func.count()).select_from(Job))


def test_a_raw_result_is_in_sql_with_its_job_and_in_its_run(engine: Engine, tmp_path: Path) -> None:
    give(tmp_path, "a/1")
    give(tmp_path, "b", run=None)
    assert take_in(engine, tmp_path, waiting(tmp_path), NOW) == 2
    assert waiting(tmp_path) == []
    with engine.connect() as connection:
        rows = connection.execute(
            select(Raw.key, Raw.path, Raw.run, Raw.size, Raw.sha256, Raw.conditions).order_by(Raw.id)
        ).all()
        assert [(row.key, row.path, row.run, row.conditions) for row in rows] == [
            ("a/1", "000007/a%2F1.npz", 7, {"t_C": 1.0}),
            ("b", "no-run/b.npz", None, {"t_C": 1.0}),
        ]
        for row in rows:
            assert (tmp_path / row.path).stat().st_size == row.size
        assert connection.execute(select(Job.state, Job.attempts, Job.queued_at)).all() == [("queued", 0, NOW)] * 2


def test_the_same_result_again_changes_nothing(engine: Engine, tmp_path: Path) -> None:
    give(tmp_path, "a")
    take_in(engine, tmp_path, waiting(tmp_path), NOW)
    content = (tmp_path / "000007" / "a.npz").read_bytes()
    (inbox(tmp_path) / "a.npz").write_bytes(content)  # as after a crash between the rows and the end of the move
    assert take_in(engine, tmp_path, waiting(tmp_path), NOW) == 0
    assert waiting(tmp_path) == []
    assert counts(engine) == (1, 1)
    assert give(tmp_path, "a", 2.0) == tmp_path / "000007" / "a.npz"
    assert waiting(tmp_path) == []


def test_other_data_under_a_key_that_is_taken_are_set_aside(engine: Engine, tmp_path: Path) -> None:
    give(tmp_path, "a")
    take_in(engine, tmp_path, waiting(tmp_path), NOW)
    give(tmp_path, "a", 2.0, run=8)
    take_in(engine, tmp_path, waiting(tmp_path), NOW)
    assert counts(engine) == (1, 1)
    assert (tmp_path / "refused" / "a.npz").is_file()
    reason = (tmp_path / "refused" / "a.npz.reason").read_text("utf-8")
    assert reason == "another raw result came before under the key a\n"
    assert not (tmp_path / "000008").exists()


@pytest.mark.parametrize("content", [b"", b"garbage" * 1000, b"PK\x03\x04" + b"\0" * 100])
def test_a_poisoned_file_is_set_aside_and_the_others_go_on(engine: Engine, tmp_path: Path, content: bytes) -> None:
    give(tmp_path, "a")
    (inbox(tmp_path) / "bad.npz").write_bytes(content)
    give(tmp_path, "z")
    assert take_in(engine, tmp_path, waiting(tmp_path), NOW) == 2
    assert waiting(tmp_path) == []
    assert (tmp_path / "refused" / "bad.npz").read_bytes() == content
    assert (tmp_path / "refused" / "bad.npz.reason").read_text("utf-8").startswith("no raw result")


def test_without_database_everything_stays_in_the_inbox(engine: Engine, tmp_path: Path) -> None:
    give(tmp_path, "a")
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE analysis_job RENAME TO elsewhere"))
    with pytest.raises(ServiceError):
        take_in(engine, tmp_path, waiting(tmp_path), NOW)
    assert [path.name for path in waiting(tmp_path)] == ["a.npz"]
    with engine.begin() as connection:
        assert connection.scalar(select(func.count()).select_from(Raw)) == 0, "raw without its job"
        connection.execute(text("ALTER TABLE elsewhere RENAME TO analysis_job"))
    assert take_in(engine, tmp_path, waiting(tmp_path), NOW) == 1
    assert counts(engine) == (1, 1)


def test_two_services_that_see_the_same_file_register_it_once(engine: Engine, tmp_path: Path) -> None:
    give(tmp_path, "a")
    seen = waiting(tmp_path)
    other = seen[0].read_bytes()
    assert take_in(engine, tmp_path, seen, NOW) == 1
    assert take_in(engine, tmp_path, seen, NOW) == 0
    # The other one had read it before this one was done.
    seen[0].write_bytes(other)
    with engine.begin() as connection:
        arrival = intake._read(tmp_path, seen[0])
        assert arrival is not None
        assert not intake._register(connection, arrival, NOW)
    assert counts(engine) == (1, 1)


def test_half_written_files_without_writer_go_away(tmp_path: Path) -> None:
    give(tmp_path, "a")
    old, new = inbox(tmp_path) / ".1.part", inbox(tmp_path) / ".2.part"
    old.touch()
    new.touch()
    os.utime(old, (0, 0))
    assert [path.name for path in waiting(tmp_path)] == ["a.npz"]
    assert not old.exists()
    assert new.exists()
