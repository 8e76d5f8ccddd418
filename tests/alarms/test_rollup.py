from hypothesis import given
from hypothesis import strategies as st

from alarms.level import Level
from alarms.rollup import Rollup
from alarms.tree import Leaf, grow

TREE = grow([Leaf("a1", ("A", "X")), Leaf("a2", ("A", "X")), Leaf("a3", ("A",)), Leaf("b1", ("B", "X"))], {})
CHANGES = st.lists(st.tuples(st.sampled_from(sorted(TREE.leaves)), st.sampled_from([*Level, None])), max_size=40)


def test_active_outranks_acknowledged_across_pvs():
    rollup = Rollup(TREE)
    rollup.show("a1", Level.UNDEFINED_ACK)
    assert rollup.level(("A",)) is Level.UNDEFINED_ACK
    rollup.show("a2", Level.MINOR)
    assert rollup.level(("A", "X")) is rollup.level(("A",)) is rollup.level(()) is Level.MINOR
    assert rollup.level(("B",)) is Level.OK


def test_only_what_is_above_changes_and_only_when_it_changes():
    rollup = Rollup(TREE)
    assert rollup.show("a1", Level.MAJOR) == {(), ("A",), ("A", "X")}
    assert rollup.show("a1", Level.MAJOR) == set()


@given(CHANGES)
def test_node_is_the_maximum_of_its_enabled_leaves(changes):
    rollup = Rollup(TREE)
    shown = {}
    for pv, level in changes:
        rollup.show(pv, level)
        shown[pv] = level
    at_once = Rollup(TREE)
    at_once.show_all(shown)
    assert (rollup.alarming, rollup.enabled) == (at_once.alarming, at_once.enabled)
    assert rollup.alarming == {pv: level for pv, level in shown.items() if level}
    assert all(rollup.count(node, level) == at_once.count(node, level) for node in TREE.nodes for level in Level)
    for node in TREE.nodes:
        levels = [shown[leaf.pv] for leaf in TREE.below(node) if shown.get(leaf.pv) is not None]
        assert rollup.level(node) is max(levels, default=Level.OK)
        assert rollup.alarms(node) == sum(level is not Level.OK for level in levels)
        assert rollup.unacknowledged(node) == sum(level.active for level in levels)
