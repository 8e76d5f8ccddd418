"""The workers, with a real database and a real mail server."""

import asyncio
import socket
import sqlite3
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller

from alarms.gather import Sorted
from alarms.incident import Kind
from alarms.letter import Desk, Letter, write_letter
from alarms.level import Level
from alarms.notifyfile import NotifyFile, Receiver
from alarms.outbox import Outbox
from alarms.pager import Pager
from alarms.paging import Notice
from alarms.store import Store
from alarms.tree import grow
from sipmdcs.clock import SystemClock
from sipmdcs.errors import ServiceError

CLOCK = SystemClock()


class Server:
    """Accepts mail, except what a test lets it refuse, put off, drop or keep waiting."""

    def __init__(self):
        self.sender_reply = ""
        """To any sender, instead of acceptance."""
        self.replies = {}
        """By address, instead of acceptance."""
        self.texts = {}
        """By a word of the text, instead of acceptance."""
        self.drops = 0
        """So many mails end with a lost connection instead of a reply."""
        self.hangs = set()
        """Addresses whose mails get no reply in time."""
        self.hanging = False
        self.mails = []
        self.texts_taken = []

    async def handle_MAIL(self, server, session, envelope, address, options):
        envelope.mail_from = address
        return self.sender_reply or "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address in self.replies:
            return self.replies[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        text = envelope.content.decode()
        if self.hangs & set(envelope.rcpt_tos):
            self.hanging = True
            await asyncio.sleep(2)
        for word, reply in self.texts.items():
            if word in text:
                return reply
        self.mails += envelope.rcpt_tos
        self.texts_taken.append(text)
        if self.drops:
            self.drops -= 1
            server.transport.abort()
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
    channel = {"host": "127.0.0.1", "port": free_port, "from": "a@b.c", "retry_s": 0.1, "retry_max_s": 0.2, "timeout_s": 1}
    receivers = {name: {"channel": "mail", "address": f"{name}@b.c"} for name in ("ada", "bob")}
    return NotifyFile.model_validate({"channels": {"mail": channel}, "receivers": receivers, "gather_s": 0.01})


@pytest.fixture
def outbox(tmp_path):
    store = Store(tmp_path / "alarms.sqlite", CLOCK)
    yield Outbox(store.database, CLOCK, "test")
    store.close()


def some_notice(receiver, due_s=0.0, pv="DET:A", kind=Kind.TEST, incident=0):
    now = CLOCK.time_ns()
    due = now + round(due_s * 1e9)
    return Notice(incident, receiver, pv, kind, Level.MAJOR, "HIHI", "1", now, "me", "", now, due)


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


def dead(outbox):
    return {page["receiver"]: page["last_error"] for page in outbox.pages() if page["dead_ns"]}


async def test_what_can_never_be_delivered_goes_to_another_receiver_and_holds_up_nobody(server, file, outbox):
    server.replies["ada@b.c"] = "550 no such user"
    outbox.queue(some_notice("ada"))
    outbox.queue(some_notice("bob"))
    async with running(Pager(file, Path(), outbox, letter, CLOCK)):
        await until(lambda: len(server.mails) == 2)
        await until(lambda: outbox.backlog().pending == 0)
    assert server.mails == ["bob@b.c", "bob@b.c"]
    assert "at receiver: 550 no such user" in dead(outbox)["ada"]
    assert outbox.dead_since(0) == 1
    assert any("Subject: undeliverable to ada: test page" in text for text in server.texts_taken)


async def test_dead_letters_of_others_slow_nobody_down(server, file, outbox):
    many = {f"r{number}": Receiver(channel="mail", address=f"r{number}@b.c") for number in range(12)}
    server.replies |= {who.address: "550 no such user" for who in many.values()}
    for name in (*many, "bob"):
        outbox.queue(some_notice(name, kind=Kind.ALARM))
    file = file.model_copy(update={"receivers": many | file.receivers, "fallback": "bob", "gather_s": 1.0})
    pager = Pager(file, Path(), outbox, letter, CLOCK, lambda notice: f"MAJOR {notice.pv}")
    async with running(pager):
        await until(lambda: server.mails == ["bob@b.c"] * (len(many) + 1))
        outbox.queue(some_notice("bob", pv="DET:B", kind=Kind.ALARM))
        pager.wake(["bob"])
        await until(lambda: "DET:B" in server.texts_taken[-1])


async def test_nobody_left_to_tell_is_a_dead_letter_too(server, file, outbox):
    server.replies |= {"ada@b.c": "550 no such user", "bob@b.c": "551 moved"}
    outbox.queue(some_notice("ada"))
    async with running(Pager(file, Path(), outbox, letter, CLOCK)):
        await until(lambda: len(dead(outbox)) == 2)
        await until(lambda: outbox.backlog().pending == 0)
    assert len(outbox.pages()) == 2


@pytest.mark.parametrize(("reply", "arrives"), [("554 looks like spam", False), ("451 come again", True)])
async def test_a_text_that_the_server_does_not_like_holds_up_no_other(server, file, outbox, reply, arrives):
    server.texts["DET:A"] = reply
    outbox.queue(some_notice("ada", kind=Kind.ALARM))
    pager = Pager(file, Path(), outbox, letter, CLOCK)
    async with running(pager):
        await until(lambda: pager.failures)
        outbox.queue(some_notice("ada", pv="DET:B", kind=Kind.ALARM))
        pager.wake(file.receivers)
        await until(lambda: any("DET:B" in text for text in server.texts_taken))
        assert not any("DET:A" in text for text in server.texts_taken)
        server.texts.clear()
        if arrives:
            await until(lambda: any("DET:A" in text for text in server.texts_taken))
            await until(lambda: outbox.backlog().pending == 0)
    assert ("ada" in dead(outbox)) is not arrives


async def test_a_server_that_hangs_holds_up_no_other_receiver_or_server(server, file, outbox):
    server.hangs.add("ada@b.c")
    outbox.queue(some_notice("ada"))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        mail = file.channels["mail"]
        channels = {"mail": mail, "silent": mail.model_copy(update={"port": silent.getsockname()[1], "timeout_s": 15})}
        many = {f"r{number}": Receiver(channel="silent", address="r@b.c") for number in range(100)}
        for name in many:
            outbox.queue(some_notice(name))
        file = file.model_copy(update={"channels": channels, "receivers": many | file.receivers})
        pager = Pager(file, Path(), outbox, letter, CLOCK)
        async with running(pager):
            await until(lambda: server.hanging and sum(page["receiver"] in many for page in outbox.pages()) > 60)
            outbox.queue(some_notice("bob"))
            pager.wake(file.receivers)
            await until(lambda: server.mails == ["bob@b.c"])


async def test_a_lost_reply_repeats_the_mail_under_its_name_and_not_for_ever(server, file, outbox):
    server.drops = 2
    outbox.queue(some_notice("ada"))
    pager = Pager(file, Path(), outbox, letter, CLOCK)
    async with running(pager):
        await until(lambda: outbox.pages()[0]["sent_ns"] if outbox.pages() else False)
        assert len(server.mails) == 3
        assert len({text.partition("Message-ID:")[2].split()[0] for text in server.texts_taken}) == 1
        server.drops = 5
        outbox.queue(some_notice("bob"))
        pager.wake(file.receivers)
        await until(lambda: "bob" in dead(outbox))
    assert "nobody knows whether it was taken, 5 times" in dead(outbox)["bob"]


async def test_a_page_that_an_older_version_could_not_send_goes_and_so_does_what_answers_it(server, file, outbox, tmp_path):
    outbox.queue(some_notice("ada", kind=Kind.ALARM, incident=1))
    poisoned = Sorted(outbox.waiting("ada"), [], [])
    page = outbox.compose("ada", "ada@b.c", Letter("MAJOR\nBcc: e@x", "a\u202eb\x1b[31m\r\n.\r\nQUIT"), poisoned)
    with sqlite3.connect(tmp_path / "alarms.sqlite") as other:
        other.execute("UPDATE page SET message_id = ? WHERE id = ?", ("<1.1.jürgen\n@x>", page.id))
    other.close()
    outbox.queue(some_notice("ada", kind=Kind.WORSE, incident=1))
    async with running(Pager(file, Path(), outbox, letter, CLOCK)):
        await until(lambda: len(server.mails) == 2)
        await until(lambda: outbox.backlog().pending == 0)
    assert "In-Reply-To: <1.1.j-rgen-@x>" in server.texts_taken[1]
    assert not any(sign in text for text in server.texts_taken for sign in ("\nBcc", "\x1b", "\u202e"))


async def test_of_a_mail_that_waits_only_what_is_not_acknowledged_is_told(server, file, outbox, tmp_path):
    server.texts["DET"] = "451 come again"
    with sqlite3.connect(tmp_path / "alarms.sqlite") as other:
        for number, pv in ((1, "DET:A"), (2, "DET:B")):
            row = (number, "r", "ada", pv, "MAJOR", 0)
            other.execute("INSERT INTO incident (id, route, receiver, pv, highest, due_ns) VALUES (?, ?, ?, ?, ?, ?)", row)
        other.commit()
        for number, pv in ((1, "DET:A"), (2, "DET:B")):
            outbox.queue(some_notice("ada", pv=pv, kind=Kind.ALARM, incident=number))
        pager = Pager(file, Path(), outbox, letter, CLOCK)
        async with running(pager):
            await until(lambda: pager.failures)
            other.execute("UPDATE incident SET ended = 'acknowledged', ended_ns = 1 WHERE id = 1")
            other.commit()
            server.texts.clear()
            await until(lambda: server.texts_taken)
            await until(lambda: outbox.backlog().pending == 0)
    other.close()
    assert "DET:B" in server.texts_taken[0]
    assert "DET:A" not in server.texts_taken[0]
    assert len(server.texts_taken) == 1


async def test_wakes_up_for_what_is_queued_and_for_what_is_due_later(server, file, outbox):
    pager = Pager(file, Path(), outbox, letter, CLOCK)
    async with running(pager):
        outbox.queue(some_notice("ada", due_s=0.5))
        pager.wake(file.receivers)
        outbox.queue(some_notice("bob"))
        pager.wake(file.receivers)
        await until(lambda: server.mails == ["bob@b.c"])
        await until(lambda: server.mails == ["bob@b.c", "ada@b.c"])


async def test_a_worker_looks_into_the_queue_only_when_something_is_for_its_receiver(server, file, outbox, monkeypatch):
    looked, open_pages = [], outbox.open_pages
    monkeypatch.setattr(outbox, "open_pages", lambda receiver: looked.append(receiver) or open_pages(receiver))
    many = {f"r{number}": file.receivers["ada"] for number in range(40_000)}  # more than a statement of SQLite may name
    pager = Pager(file.model_copy(update={"receivers": file.receivers | many}), Path(), outbox, letter, CLOCK)
    outbox.queue(some_notice("r39999"))
    async with running(pager):
        await until(lambda: outbox.backlog().sent == 1)
        outbox.queue(some_notice("bob"))
        pager.wake(["bob"])
        await until(lambda: outbox.backlog().sent == 2)
    assert set(looked) == {"r39999", "bob"}


async def test_a_letter_that_cannot_be_written_is_told_in_bare_words(server, file, outbox, caplog):
    async def moody(notices):
        raise RuntimeError("no ink")

    outbox.queue(some_notice("ada", kind=Kind.ALARM))
    async with running(Pager(file, Path(), outbox, moody, CLOCK)):
        await until(lambda: server.mails == ["ada@b.c"])
    assert "MAJOR DET:A 1 HIHI" in server.texts_taken[0]
    assert "no ink" in caplog.text


async def test_a_wall_clock_that_is_set_back_does_not_stop_repeating(server, file, outbox):
    server.replies["ada@b.c"] = "450 greylisted"
    clock = SteppedClock()
    pager = Pager(file, Path(), outbox, letter, clock)
    outbox.queue(some_notice("ada"))
    async with running(pager):
        await until(lambda: pager.failures >= 1)
        clock.back_s = 3600
        server.replies.clear()
        await until(lambda: server.mails == ["ada@b.c"])


async def test_a_database_that_fails_is_waited_for(server, file, outbox, tmp_path, caplog):
    pager = Pager(file, Path(), outbox, letter, CLOCK)
    async with running(pager):
        outbox.queue(some_notice("bob"))
        pager.wake(file.receivers)
        await until(lambda: server.mails == ["bob@b.c"])
        server.mails.clear()
        outbox.queue(some_notice("ada"))
        with sqlite3.connect(tmp_path / "alarms.sqlite") as other:
            other.execute("ALTER TABLE page RENAME TO away")
        pager.wake(file.receivers)
        await until(lambda: pager.failures >= 2)
        with pytest.raises(ServiceError, match=r"alarms\.sqlite: no such table: page"):
            outbox.backlog()
        other.execute("ALTER TABLE away RENAME TO page")
        await until(lambda: server.mails == ["ada@b.c"])
    other.close()
    assert "page to ada is not sent: database" in caplog.text
    assert "Traceback" not in caplog.text


async def test_a_corrected_address_gets_the_mail_that_was_refused(server, file, outbox):
    server.replies["ada@b.c"] = server.replies["bob@b.c"] = "550 unknown"
    outbox.queue(some_notice("ada"))
    pager = Pager(file, Path(), outbox, letter, CLOCK)
    async with running(pager):
        await until(lambda: len(dead(outbox)) == 2)
    corrected = NotifyFile.model_validate(
        file.model_dump(by_alias=True) | {"receivers": {"ada": {"channel": "mail", "address": "ada@correct.c"}}}
    )
    async with running(Pager(corrected, Path(), outbox, letter, CLOCK)):
        await until(lambda: server.mails == ["ada@correct.c"])
        await until(lambda: outbox.backlog().pending == 0)
    assert [page["address"] for page in outbox.pages()] == ["bob@b.c", "ada@correct.c"]


async def test_what_nobody_got_is_tried_again_by_the_next_service(server, file, outbox):
    server.sender_reply = "550 not from you"
    outbox.queue(some_notice("ada"))
    async with running(Pager(file, Path(), outbox, letter, CLOCK)):
        await until(lambda: len(dead(outbox)) == 2)
    assert "at sender: 550 not from you" in dead(outbox)["ada"]
    server.sender_reply = ""  # notify.yaml or the server is mended
    async with running(Pager(file, Path(), outbox, letter, CLOCK)):
        await until(lambda: server.mails)
        await until(lambda: outbox.backlog().pending == 0)
    assert server.mails == ["ada@b.c"]


async def test_mail_to_somebody_who_left_is_given_up(server, file, outbox, caplog):
    server.replies["ada@b.c"] = "450 greylisted"
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
