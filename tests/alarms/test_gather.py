"""The queue of one receiver, written as ``alarm:A@5`` (kind, PV, due second); incidents are numbered by PV letter."""

import pytest

from alarms.gather import SentPage, Waiting, all_settled, ready_ns, sort_out
from alarms.incident import Kind
from alarms.level import Level
from alarms.paging import Notice
from sipmdcs.clock import NS


def waiting(number, kind, pv, due=0.0, *, ended=None, ended_at=0.0, reached=False, queued=0.0):
    notice = Notice(ord(pv), "ada", pv, Kind(kind), Level.MAJOR, "HIHI", "1", 0, "", "", round(queued * NS), round(due * NS))
    return Waiting(number, notice, None if ended is None else Kind(ended), round(ended_at * NS), reached)


CASES = [
    ("due", [waiting(1, "alarm", "A", 5)], 5, "1||"),
    ("not due yet", [waiting(1, "alarm", "A", 5)], 4, "||"),
    ("acknowledged before it was told", [waiting(1, "alarm", "A", ended="acknowledged", ended_at=9)], 10, "||1"),
    ("and so is the word of that",
     [waiting(1, "alarm", "A", ended="acknowledged", ended_at=9), waiting(2, "acknowledged", "A")], 10, "||1 2"),
    ("word that a told alarm is acknowledged", [waiting(2, "acknowledged", "A", reached=True)], 10, "2||"),
    ("gone before it was due", [waiting(1, "alarm", "A", 60, ended="cleared", ended_at=59)], 70, "||1"),
    ("gone after it was due: both are told",
     [waiting(1, "alarm", "A", 5, ended="cleared", ended_at=6), waiting(2, "cleared", "A", 6)], 10, "1 2||"),
    ("worse covers the first", [waiting(1, "alarm", "A"), waiting(2, "worse", "A", 1)], 10, "2|1|"),
    ("gone and back covers the end",
     [waiting(1, "cleared", "A", reached=True), waiting(2, "alarm", "A", 1)], 10, "2|1|"),
    ("several PVs", [waiting(1, "alarm", "A"), waiting(2, "alarm", "B"), waiting(3, "alarm", "C", 99)], 10, "1 2||"),
    ("test page", [waiting(1, "test", "-")], 0, "1||"),
]  # fmt: skip


@pytest.mark.parametrize(("queue", "now", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_sorted_out(queue, now, expected):
    out = sort_out(queue, now * NS)
    assert "|".join(" ".join(str(item.id) for item in part) for part in (out.tell, out.covered, out.void)) == expected


@pytest.mark.parametrize(
    ("queue", "settled"),
    [
        ([waiting(1, "alarm", "A")], False),
        ([waiting(1, "alarm", "A", ended="acknowledged", ended_at=9)], True),
        ([waiting(1, "alarm", "A", ended="cleared", ended_at=9)], False),
        ([waiting(1, "alarm", "A", ended="acknowledged"), waiting(2, "alarm", "B")], False),
        ([waiting(1, "cleared", "A", reached=True)], False),
    ],
)
def test_unsent_mail_is_dropped_only_when_all_in_it_is_settled(queue, settled):
    assert all_settled(queue) is settled


@pytest.mark.parametrize(
    ("due", "sent", "ready"),
    [
        ([10.0], [], 11.0),
        ([10.0, 10.5], [], 11.5),
        ([10.0, 10.9, 11.8, 12.7], [], 13.0),
        ([10.0], [SentPage(n * NS, summary=True) for n in range(2)], 11.0),
        ([10.0], [SentPage(n * NS, summary=True) for n in range(3)], 12.0),
        ([10.0], [SentPage(n * NS, summary=True) for n in range(8)], 40.0),
        ([10.0], [SentPage(n * NS, summary=False) for n in range(4)], 11.0),
        ([10.0], [SentPage(n * NS, summary=False) for n in range(6)], 14.0),
        ([10.0], [SentPage(-400 * NS, summary=True)], 11.0),
        ([10.0], [SentPage(3600 * NS, summary=True)], 11.0),  # the clock was set back since
    ],
)
def test_a_mail_waits_for_the_storm_but_not_for_long(due, sent, ready):
    tell = [waiting(n, "alarm", "ABCD"[n], second) for n, second in enumerate(due)]
    assert ready_ns(tell, sent, 1.0, 30.0, round(max(due) * NS)) == round(ready * NS)
