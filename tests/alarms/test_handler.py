import asyncio
from datetime import timedelta

import pytest

from alarms import store
from alarms.level import Level
from alarms.state import AlarmState, Rules
from alarms.tree import Leaf, grow
from sipmdcs.clock import NS, ManualClock, to_datetime
from sipmdcs.errors import BadInput, ServiceError
from tests.alarms.shop import NOTIFY, Shop

A, B, SLOW, FREE = "DET:V:A", "DET:V:B", "DET:V:SLOW", "DET:W:FREE"
TREE = grow(
    [Leaf(A, ("V",)), Leaf(B, ("V",)), Leaf(SLOW, ("V",), rules=Rules(delay_s=10)),
     Leaf(FREE, ("W",), rules=Rules(latching=False))], {},
)  # fmt: skip


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
async def shop(tmp_path, clock):
    shop = Shop(tmp_path, TREE, clock)
    await shop.handler.start()
    yield shop
    shop.store.close()


async def restarted(shop, tmp_path, tree=TREE, notify=None):
    shop.store.close()
    again = Shop(tmp_path, tree, ManualClock(shop.clock.time_ns()), notify)
    await again.handler.start()
    return again


def due_in_s(shop, receiver):
    return (shop.outbox.waiting(receiver)[0].notice.due_ns - shop.clock.time_ns()) / NS


async def test_start_shows_everything_once(shop):
    names = {"DET:ALARM:STATE", "DET:ALARM:V", "DET:ALARM:W", "DET:ALARM:V:A", "DET:ALARM:W:FREE", "DET:ALARM:V:N_UNACKED"}
    assert names <= shop.board.values.keys()
    assert shop.board.values["DET:ALARM:LATEST"] == [0]


async def test_only_changes_are_posted(shop):
    shop.board.posts.clear()
    await shop.report(A, "MAJOR")
    assert shop.board.posts[0] == {
        "DET:ALARM:V:A": 6,
        "DET:ALARM:V": 6,
        "DET:ALARM:STATE": 6,
        "DET:ALARM:V:N_ALARMS": 1,
        "DET:ALARM:V:N_UNACKED": 1,
        "DET:ALARM:N_ALARMS": 1,
        "DET:ALARM:N_UNACKED": 1,
    }
    shop.board.posts.clear()
    await shop.report(A, "MAJOR")
    await shop.report(B, "MINOR")
    assert [sorted(post) for post in shop.board.posts if "DET:ALARM:LATEST" not in post] == [
        ["DET:ALARM:N_ALARMS", "DET:ALARM:N_UNACKED", "DET:ALARM:V:B", "DET:ALARM:V:N_ALARMS", "DET:ALARM:V:N_UNACKED"]
    ]


async def test_banner_has_the_newest_active_alarms(shop):
    for pv in (A, B, FREE):
        shop.clock.advance(1)
        await shop.report(pv, "MAJOR")
    await shop.handler.acknowledge([A], "ada")
    text = bytes(shop.board.values["DET:ALARM:LATEST"]).rstrip(b"\0").decode()
    assert [line.split()[2] for line in text.splitlines()] == [FREE, B]
    assert shop.board.values["DET:ALARM:LATEST_LEVELS"] == [6, 6]


async def test_nothing_is_shown_that_is_not_in_the_database(shop, tmp_path):
    shop.board.posts.clear()
    shop.store.close()
    (tmp_path / "alarms.sqlite").unlink()
    for suffix in ("-wal", "-shm"):
        (tmp_path / f"alarms.sqlite{suffix}").unlink(missing_ok=True)
    (tmp_path / "alarms.sqlite").mkdir()
    with pytest.raises(ServiceError, match=r"alarms\.sqlite: unable to open"):
        await shop.report(A, "MAJOR")
    assert shop.board.posts == []
    assert shop.level(A) == "OK"


async def test_page_is_queued_with_its_cause(shop):
    await shop.report(A, "MAJOR")
    assert shop.queued("shift") == shop.queued("expert") == [("alarm", A)]
    assert shop.outbox.waiting("expert")[0].notice.due_ns - shop.clock.time_ns() == 600_000_000_000
    assert shop.outbox.waiting("shift")[0].notice.due_ns == shop.clock.time_ns()


async def test_reminders_until_acknowledged(shop):
    await shop.report(A, "MAJOR")
    shop.clock.advance(4199)
    await shop.handler.remind()
    assert shop.queued("expert") == [("alarm", A)]
    shop.clock.advance(1)
    await shop.handler.remind()
    await shop.handler.remind()
    assert shop.queued("expert") == [("alarm", A), ("reminder", A)]
    await shop.handler.acknowledge(["V"], "ada")
    shop.clock.advance(10_000)
    await shop.handler.remind()
    assert shop.queued("expert")[2:] == [("acknowledged", A)]


async def test_restart_keeps_states_incidents_and_delay(shop, tmp_path):
    await shop.report(A, "MAJOR")
    await shop.report(B, "MAJOR")
    await shop.report(SLOW, "MAJOR")
    await shop.handler.acknowledge([B], "ada", "known")
    shop.clock.advance(4)
    again = await restarted(shop, tmp_path)
    assert [again.level(pv) for pv in (A, B, SLOW)] == ["MAJOR", "MAJOR_ACK", "OK"]
    assert again.board.values["DET:ALARM:V:A"] == 6
    await again.report(A, "MAJOR")
    assert len(again.queued("shift")) == 3
    again.clock.advance(6)
    await again.expire()
    assert again.level(SLOW) == "MAJOR"
    await again.report(A, "INVALID")
    assert again.queued("shift")[-1] == ("worse", A)
    again.store.close()


async def test_removed_route_ends_its_incidents(shop, tmp_path):
    await shop.report(A, "MAJOR")
    again = await restarted(shop, tmp_path, notify={})
    assert again.handler.paging.incidents == {}
    assert all(item.ended for item in again.outbox.waiting("shift"))
    again.store.close()


async def test_new_route_tells_of_what_is_active_already_and_only_once(shop, tmp_path):
    await shop.report(A, "MAJOR")
    await shop.report(B, "MAJOR")
    await shop.handler.acknowledge([B], "ada")
    await shop.report(FREE, "MINOR")
    receivers = NOTIFY["receivers"] | {"boss": {"channel": "mail", "address": "boss@b.c"}}
    routes = NOTIFY["routes"] | {"boss": {"receivers": ["boss"]}}
    before = shop.queued("shift")
    again = await restarted(shop, tmp_path, notify=NOTIFY | {"receivers": receivers, "routes": routes})
    assert again.queued("boss") == [("alarm", A)]
    once_more = await restarted(again, tmp_path, notify=NOTIFY | {"receivers": receivers, "routes": routes})
    assert once_more.queued("boss") == [("alarm", A)]
    assert once_more.queued("shift") == before
    once_more.store.close()


async def test_pages_and_reminders_wait_as_long_whatever_the_clock_is_set_to(shop):
    await shop.report(A, "MAJOR")
    shop.clock.advance(300)
    shop.clock.step(-3600)
    await shop.handler.follow_clock()
    assert due_in_s(shop, "expert") == 300
    assert due_in_s(shop, "shift") == -300
    await shop.report(A, "INVALID")
    assert shop.queued("shift") == [("alarm", A), ("worse", A)]
    shop.clock.advance(300 + 3600)
    await shop.handler.follow_clock()
    await shop.handler.remind()
    assert ("reminder", A) in shop.queued("expert")
    shop.clock.step(86_400)
    await shop.handler.follow_clock()
    await shop.handler.remind()
    assert [kind for kind, _ in shop.queued("expert")].count("reminder") == 1


async def test_clock_set_back_while_the_service_was_down(shop, tmp_path):
    await shop.report(A, "MAJOR")
    shop.clock.step(-3600)
    again = await restarted(shop, tmp_path)
    assert due_in_s(again, "shift") == 0
    assert due_in_s(again, "expert") == 600
    again.store.close()


async def test_pv_that_left_and_came_back_keeps_its_state(shop, tmp_path):
    await shop.report(A, "MAJOR")
    await shop.handler.acknowledge([A], "ada")
    without = await restarted(shop, tmp_path, grow([Leaf(B, ("V",))], {}))
    again = await restarted(without, tmp_path)
    assert again.level(A) == "MAJOR_ACK"
    again.store.close()


async def test_disabled_until_a_time(shop, tmp_path, clock):
    await shop.report(A, "MAJOR")
    until = to_datetime(clock.time_ns()) + timedelta(seconds=60)
    again = await restarted(shop, tmp_path, grow([Leaf(A, ("V",), enabled=until), Leaf(B, ("V",))], {}))
    assert (again.level(A), again.board.values["DET:ALARM:V"]) == ("OK", 0)
    assert again.queued("shift")[-1] == ("disabled", A)
    again.clock.advance(60)
    await again.handler.apply(lambda draft: draft.follow_configuration())
    assert (again.level(A), again.board.values["DET:ALARM:V"]) == ("MAJOR", 6)
    again.store.close()


async def test_history_tells_who_did_what(shop):
    await shop.report(A, "MAJOR", "HIHI")
    await shop.handler.acknowledge([A], "a\0da\x1b", "light\nleak\x07")
    await shop.report(A, "OK")
    rows = shop.store.history(pvs=[A])
    assert [(row["event"], row["previous"], row["severity"], row["user"], row["comment"]) for row in rows] == [
        ("update", "MAJOR_ACK", "OK", "", ""),
        ("acknowledge", "MAJOR", "MAJOR_ACK", "ada", "light leak"),
        ("update", "OK", "MAJOR", "", ""),
    ]
    assert shop.store.history(path=("W",)) == []
    assert len(shop.store.history(path=("V",), limit=2)) == 2


async def test_another_reason_of_equal_severity_is_in_the_history_and_pages_nobody_again(shop):
    await shop.report(A, "MAJOR", "HIHI")
    await shop.report(A, "MAJOR", "LOLO")
    assert [(row["severity"], row["message"]) for row in shop.store.history(pvs=[A])] == [("MAJOR", "LOLO"), ("MAJOR", "HIHI")]
    assert shop.queued("shift") == [("alarm", A)]


async def test_history_keeps_the_newest_changes_and_an_old_long_one_shrinks_by_and_by(shop, monkeypatch):
    async def flap(times):
        for n in range(times):
            await shop.report(A, ("OK", "MAJOR")[n % 2], f"reason {n}")

    await flap(30)
    before = shop.store.history(limit=100)
    monkeypatch.setattr(store, "MAX_HISTORY", 10)
    await flap(3)
    assert shop.store.history(limit=100)[3:] == before[:-6], "two for each that is added"
    await flap(30)
    left = shop.store.history(limit=100)
    assert [row["message"] for row in left] == [row["message"] for row in shop.store.history(limit=10)]
    assert left[0]["id"] > before[0]["id"]
    assert shop.level(A) == "MAJOR"


async def test_somebody_must_acknowledge(shop):
    with pytest.raises(BadInput, match="user is empty"):
        await shop.handler.acknowledge([A], "  ")


async def test_an_alarm_does_not_wait_until_thousands_are_acknowledged_or_reminded_of(tmp_path, clock):
    many = [f"V:{n}" for n in range(1500)]
    tree = grow([Leaf(pv, ("V",)) for pv in many] + [Leaf("W:1", ("W",)), Leaf("W:2", ("W",))], {})
    shop = Shop(tmp_path, tree, clock)
    heard = []
    shop.handler.on_notices = heard.append
    raised = AlarmState(Level.MAJOR, "HIHI", "1", clock.time_ns())

    def raise_all(draft):
        for pv in many:
            draft.update(pv, raised)

    await shop.handler.apply(raise_all)
    clock.advance(5000)
    for pv, work in (("W:1", shop.handler.remind()), ("W:2", shop.handler.acknowledge(["V"], "ada"))):
        heard.clear()
        other = asyncio.create_task(work)
        await asyncio.sleep(0)
        await shop.report(pv, "MAJOR")
        assert not other.done()
        await other
        assert len(heard) == 4, "three turns, and that of the alarm"
    assert {shop.level(pv) for pv in many} == {"MAJOR_ACK"}
    reminded = [pv for kind, pv in shop.queued("expert") if kind == "reminder"]
    assert sorted(reminded) == sorted(many)
    shop.store.close()
