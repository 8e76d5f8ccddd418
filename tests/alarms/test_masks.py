"""Channels that are known to be bad are silent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alarms.engine import Alarms
from alarms.level import Level
from alarms.masks import Masks
from alarms.state import DISABLED, MASKED, Acknowledgement, AlarmState, Rules
from alarms.tree import Leaf, grow
from sipmdcs.channels_fake import FakeChannels
from sipmdcs.clock import NS, ManualClock, to_datetime
from sipmdcs.severity import Severity, Status
from tests.alarms.shop import Shop

A, B, SLOW, FREE = "DET:V:A", "DET:V:B", "DET:V:SLOW", "DET:W:FREE"
MASK = "DET:V:MASK"
TREE = grow(
    [Leaf(A, ("V",), mask=MASK), Leaf(B, ("V",), mask=MASK), Leaf(SLOW, ("V",), rules=Rules(delay_s=10), mask=MASK),
     Leaf(FREE, ("W",))], {},
)  # fmt: skip


@pytest.fixture
async def shop(tmp_path):
    shop = Shop(tmp_path, TREE, ManualClock())
    await shop.handler.start()
    yield shop
    shop.store.close()


async def mask(shop, masked, *pvs):
    await shop.handler.apply(lambda draft: draft.mask(dict.fromkeys(pvs, masked)))


async def test_masked_channel_is_silent_and_alarms_when_it_is_unmasked(shop):
    await mask(shop, True, A, B, SLOW)
    await shop.report(A, "MAJOR")
    await shop.report(SLOW, "MAJOR")
    shop.clock.advance(5000)
    await shop.expire()
    await shop.handler.remind()
    assert [shop.level(pv) for pv in (A, SLOW)] == ["OK", "OK"]
    assert shop.queued("shift") == shop.queued("expert") == []
    assert shop.board.values["DET:ALARM:V"] == 0
    assert shop.handler.alarms.states[A].alarm.message == MASKED
    await mask(shop, False, A, B, SLOW)
    assert shop.queued("shift") == [("alarm", A)]
    assert (shop.level(A), shop.level(B)) == ("MAJOR", "OK")
    shop.clock.advance(10)
    await shop.expire()
    assert shop.level(SLOW) == "MAJOR"


async def test_masking_ends_what_was_paged_and_its_escalation(shop):
    await shop.report(A, "MAJOR")
    await mask(shop, True, A)
    assert shop.queued("shift") == [("alarm", A), ("disabled", A)]
    assert shop.handler.paging.incidents == {}
    shop.clock.advance(5000)
    await shop.handler.remind()
    assert [kind for kind, _ in shop.queued("expert")] == ["alarm"]
    assert all(item.ended for item in shop.outbox.waiting("expert"))


async def test_a_mask_outlives_a_restart_and_ends_with_its_configuration(shop, tmp_path):
    await mask(shop, True, A, B)
    await shop.report(A, "MAJOR")
    shop.store.close()
    again = Shop(tmp_path, TREE, shop.clock)
    await again.handler.start()
    await again.handler.apply(lambda draft: draft.follow_time())
    assert again.level(A) == "OK"
    again.store.close()
    without = Shop(tmp_path, grow([Leaf(A, ("V",))], {}), shop.clock)
    await without.handler.start()
    assert without.level(A) == "MAJOR"
    without.store.close()


@given(st.lists(st.sampled_from(["mask", "unmask", "MAJOR", "INVALID", "OK", "ack", "wait"]), max_size=20))
def test_silent_exactly_while_masked_or_disabled_and_says_why(events):
    clock, masked = ManualClock(), False
    until = clock.time_ns() + 100 * NS
    alarms = Alarms(grow([Leaf(A, ("V",), mask=MASK, enabled=to_datetime(until))], {}), clock)
    for event in ["OK", *events]:
        if event == "wait":
            clock.advance(50)
        draft = alarms.draft()
        draft.follow_configuration()
        if event.endswith("mask"):
            masked = event == "mask"
            draft.mask({A: masked})
        elif event == "ack":
            draft.acknowledge([alarms.tree.leaves[A]], Acknowledgement("ada", clock.time_ns()))
        elif event != "wait":
            draft.update(A, AlarmState(Level[event], event, "1", clock.time_ns()))
        alarms.adopt(draft)
        state = alarms.states[A]
        why = MASKED if masked else DISABLED if clock.time_ns() < until else ""
        assert state.enabled is not bool(why)
        if why:
            assert (state.alarm.level, state.alarm.message, state.acknowledgement) == (Level.OK, why, None)
        else:
            assert state.alarm.message not in (MASKED, DISABLED)
            assert state.alarm.level.unacknowledged >= state.current.level, "nothing bad is hidden"


def test_what_the_mask_says():
    channels = FakeChannels(ManualClock())
    channels.add(MASK, 0)
    masks = Masks(TREE.leaves)
    assert masks.names == (MASK,)
    assert masks.unheard == {A, B, SLOW}
    with channels.capture(masks.names) as capture:
        channels.set(MASK, 1, severity=Severity.INVALID, status=Status.UDF)
        capture.drain()
        assert masks.read(capture.drain()) == {}
        channels.disconnect(MASK)
        channels.connect(MASK)
        assert masks.read(capture.drain()) == {}
        assert masks.unheard
        channels.set(MASK, 1)
        assert masks.read(capture.drain()) == dict.fromkeys((A, B, SLOW), True)
        channels.set(MASK, 0)
        assert masks.read(capture.drain()) == dict.fromkeys((A, B, SLOW), False)
    assert not masks.unheard
    channels.set(MASK, 1)
    assert masks.reread(channels.get([MASK])) == dict.fromkeys((A, B, SLOW), True)
