from itertools import pairwise

import pytest

from alarms.level import Level, from_severity
from sipmdcs.severity import Severity

WITHIN = ["OK", "MINOR", "MINOR_ACK", "MAJOR", "MAJOR_ACK", "INVALID", "INVALID_ACK", "UNDEFINED", "UNDEFINED_ACK"]
ACROSS = ["OK", "MINOR_ACK", "MAJOR_ACK", "INVALID_ACK", "UNDEFINED_ACK", "MINOR", "MAJOR", "INVALID", "UNDEFINED"]


@pytest.mark.parametrize(("lower", "higher"), list(pairwise(WITHIN)))
def test_order_within_a_pv(lower, higher):
    assert Level[lower].rank < Level[higher].rank


def test_order_across_pvs_is_the_code_that_is_published():
    assert [Level[name] for name in ACROSS] == list(range(9))


@pytest.mark.parametrize("level", Level)
def test_acknowledging_is_idempotent_and_keeps_the_kind(level):
    assert level.acknowledged.acknowledged is level.acknowledged
    assert level.acknowledged.unacknowledged is level.unacknowledged
    assert not level.acknowledged.active
    assert level.is_acknowledged == (level.name.endswith("_ACK"))
    assert level.active == (level.name in ("MINOR", "MAJOR", "INVALID", "UNDEFINED"))


@pytest.mark.parametrize("severity", Severity)
def test_epics_severities_map_one_to_one(severity):
    assert from_severity(severity).name == severity.name.replace("NO_ALARM", "OK")
