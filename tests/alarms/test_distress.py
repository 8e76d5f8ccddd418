"""Mail past a database that refuses."""

import asyncio
import sqlite3

import pytest

from alarms.distress import distress_letter, tell_everybody
from alarms.level import Level
from alarms.notifyfile import NotifyFile
from alarms.state import AlarmState
from sipmdcs.clock import SystemClock
from tests.alarms.bench import Bench, Epics, wait_until

A = "T:BENCH:PS1:CH01:CURRENT_RBV"
PLANT = f' {{"{A}" "BENCH/PS1/CH01" "1" ""}}\n'


def report(number, level):
    return f"DET:A{number}", AlarmState(level, "HIHI", "9 uA", 0)


def test_the_letter_names_what_nobody_sees():
    letter = distress_letter("Veto", "database or disk is full", [report(1, Level.MAJOR), report(2, Level.OK)])
    assert letter.subject == "MAJOR: 1 alarms cannot be stored [Veto]"
    assert "  database or disk is full\n" in letter.body
    assert "  MAJOR  DET:A1  9 uA  HIHI\n" in letter.body
    assert "DET:A2" not in letter.body


def test_a_long_list_is_cut():
    letter = distress_letter("Veto", "full", [report(number, Level.MINOR) for number in range(25)])
    assert "and 5 more" in letter.body


async def test_a_server_that_is_down_is_tried_again(tmp_path, free_port):
    from aiosmtpd.controller import Controller
    from aiosmtpd.handlers import Mailbox

    channel = {"host": "127.0.0.1", "port": free_port, "from": "a@b.c", "retry_s": 0.1}
    receivers = {"ada": {"channel": "mail", "address": "ada@b.c"}}
    file = NotifyFile.model_validate({"channels": {"mail": channel}, "receivers": receivers})
    letter = distress_letter("Veto", "full", [])
    task = asyncio.create_task(tell_everybody(letter, file, tmp_path, "test", SystemClock()))
    await asyncio.sleep(0.3)
    assert not task.done()
    controller = Controller(Mailbox(tmp_path / "mail"), hostname="127.0.0.1", port=free_port)
    controller.start()
    try:
        async with asyncio.timeout(30):
            await task
    finally:
        controller.stop()
    assert len(list((tmp_path / "mail" / "new").iterdir())) == 1


@pytest.fixture
def bench(tmp_path, free_ports):
    bench = Bench(tmp_path / "site", free_ports(4), PLANT)
    bench.start_smtp()
    bench.start_ioc()
    bench.start_service()
    bench.connected()
    yield bench
    bench.stop()


@pytest.fixture
def client(bench):
    client = Epics(bench.environment)
    yield client
    client.close()


def test_an_alarm_that_cannot_be_stored_is_mailed_and_stored_later(bench, client):
    with sqlite3.connect(bench.folder / "var" / "alarms.sqlite") as other:
        other.execute("ALTER TABLE history RENAME TO away")
    client.put({A: 25.0})
    wait_until(lambda: bench.mailbox.mails, 30, "a call for help")
    _, mail = bench.mailbox.mails[0]
    assert "cannot be stored" in mail["Subject"]
    assert f"MAJOR  {A}" in mail.get_payload()
    with sqlite3.connect(bench.folder / "var" / "alarms.sqlite") as other:
        other.execute("ALTER TABLE away RENAME TO history")
    wait_until(lambda: bench.severity(A) == "MAJOR", 30, "stored after all")
    wait_until(lambda: any(str(mail["Subject"]).startswith("MAJOR: BENCH") for _, mail in bench.mailbox.mails), 30, "its page")
