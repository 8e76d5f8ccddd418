"""The workers, with a real database and a real mail server."""

import asyncio
import sqlite3
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller

from alarms.incident import Kind
from alarms.letter import Desk, write_letter
from alarms.level import Level
from alarms.notifyfile import NotifyFile
from alarms.outbox import Outbox
from alarms.pager import Pager
from alarms.paging import Notice
from alarms.store import Store
from alarms.tree import grow
from sipmdcs.clock import SystemClock
from sipmdcs.errors import ServiceError

CLOCK = SystemClock()


class Server:
    """Accepts mail, but not for the addresses in ``unknown``."""

    def __init__(self):
        self.unknown = set()
        self.mails = []

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address in self.unknown:
            return "550 unknown"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        self.mails += envelope.rcpt_tos
        return "250 taken"


@pytest.fixture
def server(free_port):
    server = Server()
    controller = Controller(server, hostname="127.0.0.1", port=free_port)
    controller.start()
    yield server
    controller.stop()


@pytest.fixture
def file(free_port):
    channel = {"host": "127.0.0.1", "port": free_port, "from": "a@b.c", "retry_s": 0.1, "retry_max_s": 0.2}
    receivers = {name: {"channel": "mail", "address": f"{name}@b.c"} for name in ("ada", "bob")}
    return NotifyFile.model_validate({"channels": {"mail": channel}, "receivers": receivers, "gather_s": 0.1})


@pytest.fixture
def outbox(tmp_path):
    store = Store(tmp_path / "alarms.sqlite", CLOCK)
    yield Outbox(store.engine, CLOCK, "test")
    store.close()


def some_notice(receiver, due_s=0.0):
    now = CLOCK.time_ns()
    return Notice(0, receiver, "DET:A", Kind.TEST, Level.OK, "", "", now, "me", "", now, now + round(due_s * 1e9))


class SteppedClock(SystemClock):
    """The machine's clock, set back by a time server."""

    back_s = 0

    def time_ns(self) -> int:
        return super().time_ns() - self.back_s * 1_000_000_000


@asynccontextmanager
async def running(pager):
    task = asyncio.create_task(pager.run())
    try:
        yield
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def letter(notices):
    return write_letter(notices, Desk("Test", ("sipmdcs",), grow([], {})))


async def until(condition):
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  the database has no event for it
            await asyncio.sleep(0.02)


async def test_one_refused_address_does_not_hold_up_another(server, file, outbox):
    server.unknown.add("ada@b.c")
    pager = Pager(file, Path(), outbox, letter, CLOCK)
    for receiver in ("ada", "bob"):
        outbox.queue(some_notice(receiver))
    async with running(pager):
        await until(lambda: server.mails == ["bob@b.c"] and pager.failures >= 3)
        assert outbox.backlog().pending == 1
        assert "at receiver: 550 unknown" in next(page["last_error"] for page in outbox.pages() if page["receiver"] == "ada")
        server.unknown.clear()
        await until(lambda: "ada@b.c" in server.mails)
        await until(lambda: outbox.backlog().pending == 0)
    assert sorted(server.mails) == ["ada@b.c", "bob@b.c"]
    assert {page["reply"] for page in outbox.pages()} == {"250 taken"}


async def test_wakes_up_for_what_is_queued_and_for_what_is_due_later(server, file, outbox):
    pager = Pager(file, Path(), outbox, letter, CLOCK)
    async with running(pager):
        outbox.queue(some_notice("ada", due_s=0.5))
        pager.wake()
        outbox.queue(some_notice("bob"))
        pager.wake()
        await until(lambda: server.mails == ["bob@b.c"])
        await until(lambda: server.mails == ["bob@b.c", "ada@b.c"])


async def test_a_letter_that_cannot_be_written_is_tried_again(server, file, outbox, caplog):
    broken = True

    async def moody(notices):
        if broken:
            raise RuntimeError("no ink")
        return await letter(notices)

    pager = Pager(file, Path(), outbox, moody, CLOCK)
    outbox.queue(some_notice("ada"))
    async with running(pager):
        await until(lambda: pager.failures >= 2)
        broken = False
        await until(lambda: server.mails == ["ada@b.c"])
    assert "no ink" in caplog.text


async def test_a_wall_clock_that_is_set_back_does_not_stop_repeating(server, file, outbox):
    server.unknown.add("ada@b.c")
    clock = SteppedClock()
    pager = Pager(file, Path(), outbox, letter, clock)
    outbox.queue(some_notice("ada"))
    async with running(pager):
        await until(lambda: pager.failures >= 1)
        clock.back_s = 3600
        server.unknown.clear()
        await until(lambda: server.mails == ["ada@b.c"])


async def test_a_database_that_fails_is_waited_for(server, file, outbox, tmp_path, caplog):
    pager = Pager(file, Path(), outbox, letter, CLOCK)
    outbox.queue(some_notice("ada"))
    with sqlite3.connect(tmp_path / "alarms.sqlite") as other:
        other.execute("ALTER TABLE page RENAME TO away")
    async with running(pager):
        await until(lambda: pager.failures >= 2)
        with pytest.raises(ServiceError, match=r"alarms\.sqlite: no such table: page"):
            outbox.backlog()
        other.execute("ALTER TABLE away RENAME TO page")
        await until(lambda: server.mails == ["ada@b.c"])
    other.close()
    assert "page to ada is not sent: database" in caplog.text
    assert "Traceback" not in caplog.text


async def test_a_corrected_address_gets_the_mail_that_was_refused(server, file, outbox):
    server.unknown.add("ada@b.c")
    outbox.queue(some_notice("ada"))
    pager = Pager(file, Path(), outbox, letter, CLOCK)
    async with running(pager):
        await until(lambda: pager.failures >= 1)
    corrected = NotifyFile.model_validate(
        file.model_dump(by_alias=True) | {"receivers": {"ada": {"channel": "mail", "address": "ada@correct.c"}}}
    )
    async with running(Pager(corrected, Path(), outbox, letter, CLOCK)):
        await until(lambda: server.mails == ["ada@correct.c"])
        await until(lambda: outbox.backlog().pending == 0)
    assert [page["address"] for page in outbox.pages()] == ["ada@correct.c"]


async def test_mail_to_somebody_who_left_is_given_up(server, file, outbox, caplog):
    server.unknown.add("ada@b.c")
    outbox.queue(some_notice("ada"))
    pager = Pager(file, Path(), outbox, letter, CLOCK)
    async with running(pager):
        await until(lambda: pager.failures >= 1)
    outbox.queue(some_notice("ada"))
    outbox.queue(some_notice("bob"))
    assert outbox.backlog().pending == 3
    without = NotifyFile.model_validate(
        file.model_dump(by_alias=True) | {"receivers": {"bob": {"channel": "mail", "address": "bob@b.c"}}}
    )
    async with running(Pager(without, Path(), outbox, letter, CLOCK)):
        await until(lambda: server.mails == ["bob@b.c"])
        await until(lambda: outbox.backlog().pending == 0)
    assert "2 notices and mails to receivers that are no longer in notify.yaml are given up" in caplog.text
