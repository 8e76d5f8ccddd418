"""The queue of one receiver, written as ``alarm:A@5`` (kind, PV, due second); incidents are numbered by PV letter."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alarms.gather import SentPage, Waiting, earliest_ns, ready_ns, sort_out, still_worth
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
    ("content", "tell", "settled"),
    [
        ([waiting(1, "alarm", "A")], [1], []),
        ([waiting(1, "alarm", "A", ended="acknowledged", ended_at=9)], [], [1]),
        ([waiting(1, "alarm", "A", ended="disabled", ended_at=9)], [], [1]),
        ([waiting(1, "alarm", "A", ended="cleared", ended_at=9)], [1], []),
        ([waiting(1, "alarm", "A", ended="acknowledged"), waiting(2, "alarm", "B")], [2], [1]),
        ([waiting(1, "alarm", "A"), waiting(2, "worse", "A"), waiting(3, "alarm", "B", ended="acknowledged")], [2], [3]),
        ([waiting(1, "cleared", "A", reached=True)], [1], []),
        ([waiting(1, "cleared", "A", reached=True), waiting(2, "alarm", "B", ended="acknowledged")], [1], [2]),
    ],
)
def test_what_of_an_unsent_mail_is_still_worth_telling(content, tell, settled):
    found = still_worth(content)
    assert tuple([item.id for item in part] for part in found) == (tell, settled)


def mails(*seconds, summary=False, causes=()):
    return [SentPage(round(second * NS), summary, frozenset(causes)) for second in seconds]


@pytest.mark.parametrize(
    ("queue", "sent", "now", "ready"),
    [
        ("the first goes at once", [], 10.0, 10.0),
        ("so does one long after the last", mails(3), 10.0, 10.0),
        ("what follows a mail waits for the gathering time", mails(9.8, causes=["A"]), 10.0, 10.8),
        ("two summaries are free", mails(7, 8, causes=["A"], summary=True), 10.0, 10.0),
        ("with three it waits longer", mails(7, 8, 9, causes=["A"], summary=True), 10.0, 11.0),
        ("and longer", mails(*range(8), causes=["A"], summary=True), 10.0, 37.0),
        ("four mails in a minute are free", mails(6, 7, 8, 9, causes=["A"]), 10.0, 10.0),
        ("six are not", mails(4, 5, 6, 7, 8, 9, causes=["A"]), 10.0, 13.0),
        ("another cause does not pay for that", mails(4, 5, 6, 7, 8, 9, causes=["B"]), 10.0, 10.0),
        ("but waits for the gathering time", mails(4, 5, 6, 7, 8, 9.5, causes=["B"]), 10.0, 10.5),
        ("mails of long ago", mails(-400, causes=["A"]), 10.0, 10.0),
        ("mails from before the clock was set back", mails(3600, causes=["A"]), 10.0, 10.0),
    ],
)  # fmt: skip
def test_a_mail_goes_at_once_unless_another_just_went(queue, sent, now, ready):
    del queue  # names the row
    tell = [waiting(1, "alarm", "A", 10.0)]
    assert ready_ns(tell, sent, 1.0, 30.0, round(now * NS)) == round(ready * NS)


def test_where_everything_flaps_only_another_kind_of_alarm_goes_at_once():
    sent = mails(*[9 - n / 2 for n in range(12)], causes=["MAJOR X"])
    tell = [waiting(1, "alarm", "A", 10.0)]
    waits = [ready_ns(tell, sent, 1.0, 30.0, 10 * NS, lambda _, cause=cause: cause) for cause in ("MAJOR Y", "LOST Y")]
    assert waits == [39 * NS, 10 * NS]
    asked_for = [waiting(1, "test", "A", 10.0)]
    assert ready_ns(asked_for, sent, 1.0, 30.0, 10 * NS, lambda _: "MAJOR Y") == 10 * NS, "somebody waits for it"


def test_ends_wait_for_each_other():
    tell = [waiting(1, "cleared", "A", 10.0, reached=True), waiting(2, "cleared", "B", 10.5, reached=True)]
    assert ready_ns(tell, [], 1.0, 30.0, round(10.5 * NS)) == 11 * NS


SENT = st.lists(
    st.builds(SentPage, st.integers(-400 * NS, 70 * NS), st.booleans(), st.sets(st.sampled_from("AB")).map(frozenset))
)


@given(SENT, st.sampled_from(["alarm", "cleared"]), st.floats(0, 3), st.floats(0, 30))
def test_nothing_in_the_queue_makes_a_mail_go_before_the_gathering_time(sent, kind, gather_s, gather_max_s):
    tell = [waiting(1, kind, "A", 0.0)]
    ready, earliest = ready_ns(tell, sent, gather_s, gather_max_s, 60 * NS), earliest_ns(sent, gather_s, 60 * NS)
    assert earliest <= 60 * NS or ready >= earliest
