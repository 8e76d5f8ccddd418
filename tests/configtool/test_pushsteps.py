"""The logic of a push against a detector that misbehaves in every way the logic knows of."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from configtool.layers import ChannelId
from configtool.pushplan import Item, Plan, PushState, make_plan
from configtool.pushsteps import Check, Failure, Finish, Progress, Step, Write, begin, checked, interrupt, next_step, wrote
from configtool.reading import Reading, mismatch
from configtool.targets import Target

PVS = ("A", "B", "C", "D", "E")


def target(pv: str, value: float, phase: int = 1, readback: bool = True) -> Target:
    return Target(ChannelId("17", 1), "HV17", "BIAS", pv, f"{pv}_RBV" if readback else "", value, "V", 0.01, 1.0, phase, 0, 100)


def not_restored(before: Reading, found: Reading) -> str:
    """What a runner says of a restored value, in this world without noise."""
    if before.setpoint is None:
        return f"A cannot be restored: {before.fault}"
    same = found.setpoint == before.setpoint and found.readback in (before.setpoint, before.readback)
    return "" if same else f"is {found}, was {before}"


@dataclass
class World:
    """PVs with their readbacks, and what is wrong with some of them. Faults begin after the first ``healthy_puts`` puts."""

    setpoints: dict[str, float]
    readbacks: dict[str, float]
    faults: dict[str, str] = field(default_factory=dict)
    healthy_puts: int = 0
    log: list[tuple[str, float]] = field(default_factory=list)

    def fault(self, pv: str) -> str:
        return self.faults.get(pv, "") if len(self.log) >= self.healthy_puts else ""

    def put(self, pv: str, value: float) -> Failure | None:
        fault = self.fault(pv)
        self.log.append((pv, value))
        match fault:
            case "refuses":
                return Failure(f"{pv}: refused", touched=False)
            case "lost before":
                return Failure(f"{pv}: no answer", touched=True)
            case "lost after":
                self.setpoints[pv] = self.readbacks[pv] = value
                return Failure(f"{pv}: no answer", touched=True)
            case "clamps":
                value = min(value, 5.0)
                self.setpoints[pv] = self.readbacks[pv] = value
            case "stuck readback":
                self.setpoints[pv] = value
            case _:
                self.setpoints[pv] = self.readbacks[pv] = value
        return None

    def read(self, item: Item) -> Reading:
        pv = item.target.pv
        return Reading(self.setpoints[pv], self.readbacks[pv] if item.target.readback else None)

    def do(self, progress: Progress, step: Step) -> Progress:
        match step:
            case Write():
                answers = {pv: self.put(pv, value) for pv, value in step.puts.items()}
                return wrote(progress, {pv: failure for pv, failure in answers.items() if failure})
            case Check():
                texts = {
                    item.target.pv: not_restored(item.before, self.read(item))
                    if step.restoring
                    else mismatch(item.target, self.read(item))
                    for item in step.items
                }
                return checked(progress, {pv: text for pv, text in texts.items() if text})
            case Finish():
                raise AssertionError("there is nothing left to do")

    def plan(self, targets: list[Target]) -> Plan:
        before = {one.pv: Reading(self.setpoints[one.pv], self.readbacks[one.pv] if one.readback else None) for one in targets}
        return make_plan(targets, before)

    def run(self, plan: Plan, interrupt_after: int | None = None) -> tuple[Finish, list[Step]]:
        progress, steps = begin(plan), []
        while not isinstance(step := next_step(progress), Finish):
            steps.append(step)
            assert len(steps) < 100
            if interrupt_after == len(steps) - 1:
                progress = interrupt(progress, "Ctrl-C")
                interrupt_after = None
                steps.pop()
                continue
            progress = self.do(progress, step)
        return step, steps


voltages = st.integers(0, 10).map(float)
worlds = st.builds(
    lambda values, faults, healthy: World(dict(values), dict(values), faults, healthy),
    st.fixed_dictionaries(dict.fromkeys(PVS, voltages)),
    st.dictionaries(
        st.sampled_from(PVS), st.sampled_from(["refuses", "lost before", "lost after", "clamps", "stuck readback"])
    ),
    st.integers(0, 8),
)
target_lists = st.lists(
    st.builds(target, st.sampled_from(PVS), voltages, st.sampled_from([1, 2, 3]), st.booleans()),
    min_size=1,
    unique_by=lambda one: one.pv,
)


@given(worlds, target_lists, st.none() | st.integers(0, 12))
def test_a_push_ends_as_it_says(world: World, targets: list[Target], interrupt_after: int | None) -> None:
    before = dict(world.setpoints), dict(world.readbacks)
    end, _ = world.run(world.plan(targets), interrupt_after)
    for one in targets:
        agrees = not mismatch(one, Reading(world.setpoints[one.pv], world.readbacks[one.pv] if one.readback else None))
        unchanged = world.setpoints[one.pv] == before[0][one.pv] and (
            not one.readback or world.readbacks[one.pv] == before[1][one.pv]
        )
        match end.state:
            case PushState.VERIFIED:
                assert agrees
            case PushState.ROLLED_BACK | PushState.ABORTED:
                assert unchanged
            case PushState.ROLLBACK_FAILED:
                # Only what is named may be off.
                assert unchanged or one.pv in end.unrestored
            case _:
                pytest.fail(f"ended {end.state}")
    assert (end.state is PushState.VERIFIED) == (not end.reason)
    assert bool(end.unrestored) == (end.state is PushState.ROLLBACK_FAILED)
    # PVs that are no target are never touched.
    others = set(PVS) - {one.pv for one in targets}
    assert not others & {pv for pv, _ in world.log}


@given(worlds, target_lists)
def test_without_faults_it_is_verified_and_a_second_push_writes_nothing(world: World, targets: list[Target]) -> None:
    world.faults.clear()
    end, _ = world.run(world.plan(targets))
    assert end.state is PushState.VERIFIED
    again = world.plan(targets)
    assert again.write_count == 0
    world.log.clear()
    end, steps = world.run(again)
    assert (end.state, world.log) == (PushState.VERIFIED, [])
    assert [len(step.items) for step in steps if isinstance(step, Check)] == [len(targets)]


@given(worlds, target_lists)
def test_every_value_is_read_back_at_the_end_also_those_that_were_right(world: World, targets: list[Target]) -> None:
    end, steps = world.run(world.plan(targets))
    if end.state is PushState.VERIFIED:
        last = steps[-1]
        assert isinstance(last, Check)
        assert {item.target.pv for item in last.items} == {one.pv for one in targets}


@given(worlds, target_lists, st.none() | st.integers(0, 12))
def test_phases_go_up_when_writing_and_down_when_restoring(
    world: World, targets: list[Target], interrupt_after: int | None
) -> None:
    _, steps = world.run(world.plan(targets), interrupt_after)
    writes = [step for step in steps if isinstance(step, Write)]
    forward = [step.phase for step in writes if not step.restoring]
    backward = [step.phase for step in writes if step.restoring]
    assert forward == sorted(set(forward))
    assert backward == sorted(set(backward), reverse=True)
    assert set(backward) <= set(forward)
    # Once it turned round, nothing new is written.
    restoring = [step.restoring for step in steps if not isinstance(step, Finish)]
    assert restoring == sorted(restoring)


@given(worlds, target_lists)
def test_only_what_may_have_changed_is_put_back(world: World, targets: list[Target]) -> None:
    plan = world.plan(targets)
    _, steps = world.run(plan)
    written = {pv for step in steps if isinstance(step, Write) and not step.restoring for pv in step.puts}
    restored = {pv for step in steps if isinstance(step, Write) and step.restoring for pv in step.puts}
    assert restored <= written
    refused = {pv for pv, fault in world.faults.items() if fault == "refuses"}
    if world.healthy_puts == 0:
        assert not restored & refused


@given(worlds, target_lists)
def test_interrupting_while_restoring_changes_nothing(world: World, targets: list[Target]) -> None:
    progress = interrupt(begin(world.plan(targets)), "first")
    while not isinstance(step := next_step(progress), Finish):
        assert interrupt(progress, "second") == progress
        progress = world.do(progress, step)
    assert interrupt(progress, "late") == progress


def test_an_interrupted_push_that_wrote_nothing_is_aborted() -> None:
    world = World({"A": 1.0}, {"A": 1.0})
    end, _ = world.run(world.plan([target("A", 5.0)]), interrupt_after=0)
    assert (end.state, end.reason, world.log) == (PushState.ABORTED, "Ctrl-C", [])


@pytest.mark.parametrize(("pvs", "rest"), [("A", ""), ("AB", " (and 1 more)"), ("ABC", " (and 2 more)")])
def test_the_reason_names_the_first_and_counts_the_rest(pvs: str, rest: str) -> None:
    world = World(dict.fromkeys(pvs, 1.0), dict.fromkeys(pvs, 1.0), dict.fromkeys(pvs, "refuses"))
    end, _ = world.run(world.plan([target(pv, 5.0) for pv in pvs]))
    assert (end.state, end.reason) == (PushState.ABORTED, f"A: refused{rest}")


def test_what_stops_without_a_reason_is_not_verified() -> None:
    end = next_step(interrupt(begin(Plan(())), ""))
    assert isinstance(end, Finish)
    assert (end.state, end.reason) == (PushState.ABORTED, "it failed")


def test_a_value_that_was_no_number_cannot_be_restored() -> None:
    item = Item(target("A", 5.0), Reading(None, 1.0, "A is nan"), write=True)
    progress = wrote(begin(Plan((item,))), {})
    step = next_step(progress := checked(progress, {"A": "A is 4, expected 5 V"}))
    assert isinstance(step, Write)
    assert (step.puts, step.restoring) == ({}, True)
    progress = checked(wrote(progress, {}), {"A": not_restored(item.before, Reading(5.0, 5.0))})
    end = next_step(progress)
    assert isinstance(end, Finish)
    assert end.state is PushState.ROLLBACK_FAILED
    assert end.unrestored == {"A": "A cannot be restored: A is nan"}


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (Reading(57.42, 57.43), ""),
        (Reading(57.42, 57.41), ""),
        (Reading(57.42, 57.4311), "A_RBV is 57.4311, expected 57.42 V"),
        (Reading(57.40, 57.42), "A is 57.4, expected 57.42 V"),
        (Reading(57.42, None, "A_RBV: not connected"), "A_RBV: not connected"),
        (Reading(57.42, 57.42, "", "A_RBV was not updated since A was written"), "A_RBV was not updated since A was written"),
    ],
)
def test_values_agree_within_the_tolerance_its_edge_included(found: Reading, expected: str) -> None:
    assert mismatch(target("A", 57.42), found) == expected
    assert make_plan([target("A", 57.42)], {"A": found}).items[0].write == bool(expected)
