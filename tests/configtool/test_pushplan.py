"""A push as data."""

from configtool.layers import ChannelId
from configtool.pushplan import FINAL, UNKNOWN, Item, PushState, make_plan
from configtool.reading import Reading
from configtool.targets import Target
from sipmdcs.channels import PvMetadata, PvType
from sipmdcs.errors import NotConnected


def test_states_are_stored_under_these_names_for_ever() -> None:
    assert [str(state) for state in PushState] == [
        "planned",
        "running",
        "verified",
        "rolled_back",
        "rollback_failed",
        "aborted",
    ]
    assert [str(state) for state in PushState if state not in FINAL] == ["planned", "running"]


def test_everything_is_in_the_plan_by_phase_and_what_is_known_of_its_set_points() -> None:
    targets = [
        Target(ChannelId("1", 1), "HV", "BIAS", pv, "", 5.0, "V", 0.01, 1.0, phase, 0.0, 80.0)
        for pv, phase in (("D", 1), ("C", 8), ("B", 1), ("A", 8), ("E", 3))
    ]
    known = PvMetadata(PvType.DOUBLE, 1, units="V")
    before = {"A": Reading(5.0, None), "B": Reading(1.0, None), "C": Reading(5.02, None), "D": Reading(5.0, None)}
    before["E"] = before["D"]
    plan = make_plan(targets, before, {"A": known, "B": NotConnected("B", "away"), "C": known})
    assert [(item.target.pv, item.write, item.metadata) for item in plan.items] == [
        ("B", True, UNKNOWN),
        ("D", False, UNKNOWN),
        ("E", False, UNKNOWN),
        ("A", False, known),
        ("C", True, known),
    ]
    assert Item(targets[0], before["D"], write=False).metadata == UNKNOWN == PvMetadata(PvType.DOUBLE, 1)
    assert (plan.phases, plan.write_count) == ((1, 8), 2)
    assert [item.target.pv for item in plan.writes(8)] == ["C"]
