"""Who is told what, as a table; times in seconds after the start."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alarms.incident import Incident, Kind, Rule, follow, remind
from alarms.level import Level
from sipmdcs.clock import NS

AT_ONCE = Rule("r", "ada", Level.MAJOR)
LATER = Rule("r", "ada", Level.MAJOR, delay_s=60)
REPEATED = Rule("r", "ada", Level.MAJOR, repeat_s=100)
SILENT_END = Rule("r", "ada", Level.MAJOR, follow_up=False)


def told(rule, script):
    """``12:major`` at 12 s the alarm is MAJOR; ``:cleared`` and the like: it is calm because of that; ``:wait``."""
    incident, out = None, []
    for token in script.split():
        second, what = token.split(":")
        now = int(second) * NS
        if what == "wait":
            if incident is None:
                continue
            result = remind(incident, rule, now)
        elif what in ("cleared", "acknowledged", "disabled"):
            result = follow(incident, rule, Level.OK, Kind(what), now, 1)
        else:
            result = follow(incident, rule, Level[what.upper()], Kind.CLEARED, now, 1)
        incident = result.incident
        if result.notice:
            out.append(f"{second}:{result.notice}@{result.due_ns // NS}")
    return " ".join(out)


CASES = [
    ("pages once", AT_ONCE, "0:major 5:cleared", "0:alarm@0 5:cleared@5"),
    ("below the minimum nobody is told", AT_ONCE, "0:minor 5:cleared", ""),
    ("crosses the minimum", AT_ONCE, "0:minor 3:major", "3:alarm@3"),
    ("a rise pages again", AT_ONCE, "0:major 3:invalid", "0:alarm@0 3:worse@3"),
    ("a fall does not page", AT_ONCE, "0:invalid 3:major 4:minor 5:major", "0:alarm@0"),
    ("no page at the same level again", AT_ONCE, "0:major 3:minor 4:major 5:invalid", "0:alarm@0 5:worse@5"),
    ("acknowledged", AT_ONCE, "0:major 5:acknowledged", "0:alarm@0 5:acknowledged@5"),
    ("disabled likewise", AT_ONCE, "0:major 5:disabled", "0:alarm@0 5:disabled@5"),
    ("after the end it starts anew", AT_ONCE, "0:major 5:cleared 9:major", "0:alarm@0 5:cleared@5 9:alarm@9"),
    ("acknowledged INVALID then INVALID again", AT_ONCE, "0:invalid 1:acknowledged 2:major",
     "0:alarm@0 1:acknowledged@1 2:alarm@2"),
    ("delay", LATER, "0:major", "0:alarm@60"),
    ("gone before the delay", LATER, "0:major 59:cleared", "0:alarm@60"),
    ("acknowledged before the delay", LATER, "0:major 59:acknowledged", "0:alarm@60"),
    ("falls below the minimum before the delay", LATER, "0:major 59:minor 90:cleared", "0:alarm@60"),
    ("rises within the delay, which is not restarted", LATER, "0:major 30:invalid", "0:alarm@60 30:alarm@60"),
    ("rises after the delay", LATER, "0:major 61:invalid", "0:alarm@60 61:worse@61"),
    ("gone after the delay", LATER, "0:major 60:cleared", "0:alarm@60 60:cleared@60"),
    ("reminders until acknowledged", REPEATED, "0:major 99:wait 100:wait 150:wait 200:wait 250:acknowledged 300:wait",
     "0:alarm@0 100:reminder@100 200:reminder@200 250:acknowledged@250"),
    ("no follow-up", SILENT_END, "0:major 5:cleared", "0:alarm@0"),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "script", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_told(rule, script, expected):
    assert told(rule, script) == expected


LEVELS = st.sampled_from(["ok", "minor", "major", "invalid", "undefined"])


@given(st.lists(LEVELS, max_size=20), st.sampled_from([AT_ONCE, LATER]))
def test_without_acknowledging_each_incident_pages_each_level_at_most_once(levels, rule):
    incident: Incident | None = None
    paged: set[Level] = set()
    for second, name in enumerate(levels):
        result = follow(incident, rule, Level[name.upper()], Kind.CLEARED, second * NS, second)
        if incident is None:
            paged = set()
        if result.notice and result.notice.calls:
            level = Level[name.upper()]
            assert level >= rule.minimum
            assert level not in paged
            paged.add(level)
        incident = result.incident
        assert incident is None or Level[name.upper()].active
