"""Alarms and paging share a database and never lock each other out."""

import signal
import sqlite3
import threading
import time

import pytest
from sqlalchemy import text

from alarms.database import BUSY_S, Database, Turns
from alarms.distress import WAIT_S
from alarms.tables import page
from sipmdcs.errors import ServiceError


def test_writers_wait_for_their_turn_without_a_limit_and_readers_not_at_all(tmp_path):
    database = Database(tmp_path / "alarms.sqlite")
    done = []

    def write(number):
        with database.write() as connection:
            connection.execute(text(f"INSERT INTO pv_state VALUES ('P{number}', '{{}}')"))
            done.append(number)

    with database.write() as connection:
        connection.execute(text("PRAGMA busy_timeout=1"))
        writers = [threading.Thread(target=write, args=(number,)) for number in range(5)]
        for writer in writers:
            writer.start()
        with database.read() as reading:
            assert reading.execute(text("SELECT count(*) FROM pv_state")).scalar() == 0
        assert done == []
    for writer in writers:
        writer.join()
    assert sorted(done) == list(range(5))
    database.close()


def test_a_database_that_another_program_holds_refuses_while_an_alarm_can_still_be_told_in_time(tmp_path):
    """Five seconds are promised; a write before that of the alarm waits for that program as well."""
    database = Database(tmp_path / "alarms.sqlite")
    other = sqlite3.connect(tmp_path / "alarms.sqlite", isolation_level=None)
    with database.write() as connection:
        assert connection.execute(text("PRAGMA busy_timeout")).scalar() == BUSY_S * 1000
    assert WAIT_S + BUSY_S < 5
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(ServiceError, match="database is locked"), database.write():
        pass
    other.close()
    database.close()


def test_a_busy_writer_starves_nobody():
    """One that asks again at once stands behind those who wait."""
    turns, order, waiting = Turns(), [], threading.Event()

    def other():
        waiting.set()
        with turns:
            order.append("other")

    thread = threading.Thread(target=other)
    with turns:
        thread.start()
        waiting.wait()
        while not turns._waiting:
            time.sleep(0.001)
    for _ in range(3):
        with turns:
            order.append("busy")
    thread.join()
    assert order[0] == "other"


def test_who_is_called_away_while_waiting_stops_nobody():
    turns, held, end = Turns(), threading.Event(), threading.Event()

    def hold():
        with turns:
            held.set()
            end.wait()

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait()
    before = signal.signal(signal.SIGUSR1, signal.default_int_handler)
    caller = threading.Timer(0.05, signal.pthread_kill, (threading.get_ident(), signal.SIGUSR1))
    caller.start()
    try:
        with pytest.raises(KeyboardInterrupt), turns:
            pytest.fail("it is not our turn")
    finally:
        signal.signal(signal.SIGUSR1, before)
    end.set()
    holder.join()
    caller.join()
    with turns:
        pass


def test_a_database_of_an_older_version_gets_what_it_lacks(tmp_path):
    path = tmp_path / "alarms.sqlite"
    Database(path).close()
    with sqlite3.connect(path) as old:
        old.execute("DROP INDEX ix_page_dead_ns")
        for name in ("dead_ns", "unknown", "forwards", "causes"):
            old.execute(f"ALTER TABLE page DROP COLUMN {name}")
        columns = [row[1] for row in old.execute("PRAGMA table_info(page)")]
        given = (
            "id, message_id, receiver, address, subject, body, in_reply_to, summary, composed_ns, attempts, last_error, reply"
        )
        old.execute(f"INSERT INTO page ({given}) VALUES (1, 'm', 'r', 'a', 's', 'b', '', 0, 1, 0, '', '')")
    old.close()
    assert "dead_ns" not in columns
    database = Database(path)
    with database.read() as connection:
        row = connection.execute(page.select()).mappings().one()
    assert (row["dead_ns"], row["unknown"], row["causes"]) == (None, 0, "")
    database.close()
