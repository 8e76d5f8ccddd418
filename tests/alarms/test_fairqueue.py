"""Nobody waits for more than one turn of each other branch of the tree for every one of its own."""

from hypothesis import given
from hypothesis import strategies as st

from alarms.fairqueue import FairQueue

PATHS = st.lists(st.sampled_from("abc"), max_size=3).map(tuple)
STEPS = st.lists(PATHS | st.just("next"), max_size=80)


def rounds(served, path, depth):
    """How often each branch at ``depth`` of ``path`` had its turn; the PVs right below a node are one as well."""
    turns = {}
    for other in served:
        if other[:depth] == path[:depth]:
            branch = other[depth] if len(other) > depth else ""
            turns[branch] = turns.get(branch, 0) + 1
    return turns


@given(STEPS)
def test_each_branch_has_its_turn(steps):
    queue, waiting, number = FairQueue(), [], 0
    for step in [*steps, *["next"] * len(steps)]:
        if step != "next":
            queue.add(step, str(number))
            waiting.append((str(number), step, []))
            number += 1
        elif queue:
            pv = queue.next()
            path = next(path for name, path, _ in waiting if name == pv)
            assert pv == next(name for name, other, _ in waiting if other == path), "the first of those below one node"
            _, _, served = next(item for item in waiting if item[0] == pv)
            waiting = [item for item in waiting if item[0] != pv]
            for depth in range(len(path) + 1):
                turns = rounds(served, path, depth)
                own = turns.pop(path[depth] if len(path) > depth else "", 0)
                assert all(other <= own + 1 for other in turns.values())
            for _, _, others in waiting:
                others.append(path)
    assert not queue
    assert not waiting


def test_one_of_another_subsystem_is_next_but_one_however_many_wait():
    queue = FairQueue()
    for n in range(10_000):
        queue.add(("STORM", f"C{n % 100}"), f"S{n}")
    queue.add(("QUIET", "C1"), "Q")
    queue.add(("STORM", "OTHER"), "O")
    order = [queue.next() for _ in range(300)]
    assert order.index("Q") == 1
    assert order.index("O") <= 102
