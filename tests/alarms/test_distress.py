"""Mail past a database that refuses."""

import asyncio
import sqlite3

import pytest
from aiosmtpd.controller import Controller

from alarms.distress import Distress, distress_letter
from alarms.level import Level
from alarms.notifyfile import NotifyFile
from alarms.state import AlarmState
from sipmdcs.clock import SystemClock
from tests.alarms.bench import Bench, Epics, Mailbox, wait_until

A, B, C = (f"T:BENCH:PS1:CH{number:02}:CURRENT_RBV" for number in (1, 2, 3))
PLANT = f"""\
 {{"{A}" "BENCH/PS1/CH01" "1" ""}}
 {{"{B}" "BENCH/PS1/CH02" "1" "delay=2"}}
 {{"{C}" "BENCH/PS1/CH03" "1" ""}}
"""


def alarm(level):
    return AlarmState(level, "HIHI", "9 uA", 0)


def test_the_letter_names_what_nobody_sees():
    alarms = {"DET:A1": alarm(Level.MINOR), "DET:A2": alarm(Level.UNDEFINED), "DET:A3": alarm(Level.MAJOR)}
    letter = distress_letter("Veto", "database or disk is full", alarms)
    assert letter.subject == "MAJOR: 3 alarms cannot be stored [Veto]"
    assert "  database or disk is full\n" in letter.body
    assert letter.body.endswith("  MAJOR  DET:A3  9 uA  HIHI\n  UNDEFINED  DET:A2  9 uA  HIHI\n  MINOR  DET:A1  9 uA  HIHI\n")


def test_a_long_list_is_cut():
    letter = distress_letter("Veto", "full", {f"DET:A{number}": alarm(Level.MINOR) for number in range(25)})
    assert "and 5 more" in letter.body


async def test_a_server_that_is_down_is_tried_again_and_news_follow(tmp_path, free_port, monkeypatch):
    monkeypatch.setattr("alarms.distress._LOOK_S", 0.05)
    channel = {"host": "127.0.0.1", "port": free_port, "from": "a@b.c", "retry_s": 0.1}
    receivers = {"ada": {"channel": "mail", "address": "ada@b.c"}}
    file = NotifyFile.model_validate({"channels": {"mail": channel}, "receivers": receivers, "gather_s": 0, "gather_max_s": 0})
    alarms = {}
    distress = Distress("Veto", file, tmp_path, "test", SystemClock(), lambda: dict(alarms))
    task = asyncio.create_task(distress.tell("full"))
    await asyncio.sleep(0.3)
    mailbox = Mailbox()
    controller = Controller(mailbox, hostname="127.0.0.1", port=free_port)
    controller.start()

    async def mails(count):
        await asyncio.to_thread(wait_until, lambda: len(mailbox.mails) >= count, 30, f"{count} mails")
        await asyncio.sleep(0.3)
        return mailbox.subjects

    try:
        subjects = ["alarms cannot be stored [Veto]"]
        assert await mails(1) == subjects
        for change, news in (
            ({"DET:A1": alarm(Level.MINOR)}, "MINOR: 1 alarm"),
            ({"DET:A1": alarm(Level.MINOR)._replace(value="10 uA")}, None),
            ({"DET:A2": alarm(Level.MAJOR), "DET:A3": alarm(Level.MINOR)}, "MAJOR: 2 alarms"),
            ({"DET:A1": alarm(Level.MAJOR)}, "MAJOR: 1 alarm"),
            ({"DET:A1": alarm(Level.MINOR)}, None),
            ({"DET:A3": None}, None),
            ({"DET:A3": alarm(Level.MINOR)}, "MINOR: 1 alarm"),
        ):
            alarms |= change
            alarms = {pv: state for pv, state in alarms.items() if state}
            subjects += [f"{news} cannot be stored [Veto]"] if news else []
            assert await mails(len(subjects)) == subjects
    finally:
        task.cancel()
        controller.stop()


@pytest.fixture
def bench(tmp_path, free_ports):
    bench = Bench(tmp_path / "site", free_ports(4), PLANT)
    bench.write("notify.yaml", (bench.folder / "notify.yaml").read_text("utf-8") + "gather_max_s: 1\n")
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
    client.put({B: 25.0, C: 15.0})

    def later():
        return "".join(mail.get_payload() for _, mail in bench.mailbox.mails[1:])

    wait_until(lambda: f"MAJOR  {B}" in later() and f"MINOR  {C}" in later(), 30, "alarms that came after that")
    assert A not in later()
    with sqlite3.connect(bench.folder / "var" / "alarms.sqlite") as other:
        other.execute("ALTER TABLE away RENAME TO history")
    wait_until(lambda: bench.severity(A) == "MAJOR", 30, "stored after all")
    wait_until(lambda: any(str(mail["Subject"]).startswith("MAJOR: BENCH") for _, mail in bench.mailbox.mails), 30, "its page")
