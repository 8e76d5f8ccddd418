import pytest

from alarms.incident import Kind
from alarms.letter import Desk, write_letter
from alarms.level import Level
from alarms.paging import Notice
from alarms.tree import Leaf, Node, grow
from sipmdcs.clock import NS

T0 = 1_795_262_523 * NS
"""2026-11-21 12:02:03 UTC."""

TREE = grow(
    [
        Leaf(
            f"DET:VETO:HV{n // 16:02d}:CH{n % 16:02d}:CURRENT_RBV",
            ("VETO", f"HV{n // 16:02d}"),
            "SiPM current",
            guidance="Off!",
        )
        for n in range(64)
    ],
    {("VETO",): Node(("VETO",), "The veto", "Call the expert.")},
)
PVS = list(TREE.leaves)
DESK = Desk("Veto", ("sipmdcs", "--site", "/srv/my veto"), TREE, limits={PVS[0]: "limit 20.00 uA"})


def notice(pv=PVS[0], kind=Kind.ALARM, level=Level.MAJOR, user="", comment="", seconds=0):
    return Notice(1, "ada", pv, kind, level, "HIHI", "25.00 uA", T0 + seconds * NS, user, comment, T0 + 60 * NS, T0)


def test_alarm_says_what_where_how_much_since_when_and_what_to_do():
    letter = write_letter([notice()], DESK)
    assert letter.subject == "MAJOR: VETO/HV00 CURRENT_RBV 25.00 uA [Veto]"
    assert (
        letter.body
        == """\
MAJOR: SiPM current

PV     DET:VETO:HV00:CH00:CURRENT_RBV
Place  VETO/HV00
Value  25.00 uA, HIHI (limit 20.00 uA)
Since  2026-11-21 12:02:03 UTC

What to do
  Off!
  Call the expert.

Acknowledge
  sipmdcs --site '/srv/my veto' alarm ack DET:VETO:HV00:CH00:CURRENT_RBV --comment WHY
"""
    )


@pytest.mark.parametrize(
    ("kind", "subject"),
    [
        (Kind.WORSE, "now INVALID: VETO/HV00 CURRENT_RBV 25.00 uA [Veto]"),
        (Kind.REMINDER, "still INVALID: VETO/HV00 CURRENT_RBV 25.00 uA [Veto]"),
        (Kind.CLEARED, "cleared: VETO/HV00 CURRENT_RBV [Veto]"),
        (Kind.ACKNOWLEDGED, "acknowledged: VETO/HV00 CURRENT_RBV [Veto]"),
        (Kind.DISABLED, "disabled: VETO/HV00 CURRENT_RBV [Veto]"),
        (Kind.TEST, "test page [Veto]"),
    ],
)
def test_subject_fits_a_phone(kind, subject):
    letter = write_letter([notice(kind=kind, level=Level.INVALID)], DESK)
    assert letter.subject == subject
    assert len(letter.subject) < 70


def test_follow_up_says_who_and_why():
    body = write_letter([notice(kind=Kind.ACKNOWLEDGED, user="ada", comment="light leak")], DESK).body
    assert "When   2026-11-21 12:03:03 UTC by ada" in body
    assert "Said   light leak" in body


def test_few_alarms_are_told_in_full():
    letter = write_letter([notice(pv) for pv in PVS[:5]], DESK)
    assert letter.subject == "MAJOR: VETO/HV00 CURRENT_RBV 25.00 uA +4 more [Veto]"
    assert not letter.summary
    assert letter.body.count("Acknowledge") == 5


def test_many_alarms_are_a_summary():
    letter = write_letter([notice(pv, seconds=n) for n, pv in enumerate(PVS)], DESK)
    assert letter.summary
    assert letter.subject == "MAJOR: 64 alarms in VETO [Veto]"
    assert "64 alarms: 64 MAJOR" in letter.body
    assert "within 63 s" in letter.body
    assert "   16  VETO/HV03" in letter.body
    assert "and 44 more" in letter.body
    assert "alarm ack VETO --comment WHY" in letter.body
    assert len(letter.body.splitlines()) < 60


def test_summary_of_alarms_and_ends():
    notices = [notice(pv) for pv in PVS[:4]] + [notice(pv, Kind.CLEARED) for pv in PVS[4:9]]
    body = write_letter(notices, DESK).body
    assert "4 alarms: 4 MAJOR" in body
    assert "5 alarms ended: 5 cleared" in body


def test_pv_that_left_the_tree():
    letter = write_letter([notice("DET:GONE")], DESK)
    assert "DET:GONE" in letter.subject


def dead_ioc(count):
    return [notice(pv, level=Level.UNDEFINED) for pv in PVS[:count]]


def test_a_bad_value_elsewhere_is_named_beside_an_ioc_that_died():
    letter = write_letter([*dead_ioc(60), notice(PVS[63])], DESK)
    assert letter.subject == "MAJOR: VETO/HV03 CURRENT_RBV 25.00 uA, and 60 alarms in VETO [Veto]"
    assert f"  MAJOR  {PVS[63]}  25.00 uA  HIHI" in letter.body
    assert "61 alarms: 60 UNDEFINED, 1 MAJOR" in letter.body


def test_a_minor_value_elsewhere_is_listed_though_many_are_worse():
    letter = write_letter([*dead_ioc(60), notice(PVS[63], level=Level.MINOR)], DESK)
    assert letter.subject == "UNDEFINED: 61 alarms in VETO [Veto]"
    assert f"  MINOR  {PVS[63]}" in letter.body


def test_the_worst_of_every_controller_is_listed_before_more_of_one():
    many = [notice(pv, seconds=-9) for pv in PVS[:32]] + [notice(PVS[40]), notice(PVS[63], level=Level.MINOR)]
    body = write_letter(many, DESK).body
    assert f"MAJOR  {PVS[40]}" in body
    assert f"MINOR  {PVS[63]}" in body
    assert "and 14 more" in body


@pytest.mark.parametrize("kind", [Kind.CLEARED, Kind.ACKNOWLEDGED, Kind.DISABLED])
def test_an_alarm_that_ended_while_its_mail_waited_is_not_what_the_subject_calls_for(kind):
    gone = [notice(PVS[0]), notice(PVS[0], kind)]
    assert write_letter(gone, DESK).subject == f"MAJOR, {kind}: VETO/HV00 CURRENT_RBV 25.00 uA [Veto]"
    standing = notice(PVS[16], level=Level.MINOR)
    assert write_letter([*gone, standing], DESK).subject == "MINOR: VETO/HV01 CURRENT_RBV 25.00 uA +1 more [Veto]"
    lost = [notice(pv, level=Level.INVALID) for pv in PVS[20:24]]
    summary = write_letter([*gone, standing, *lost], DESK)
    assert summary.subject.startswith("INVALID: 6 alarms in VETO")
    assert "1 alarm ended: 1 " in summary.body
