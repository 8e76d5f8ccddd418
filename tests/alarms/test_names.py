import re

from hypothesis import given
from hypothesis import strategies as st

from alarms.names import state_names
from alarms.tree import Leaf, grow

PARTS = st.text(st.sampled_from("AZ09_:ab c/µ"), min_size=1, max_size=30)


def test_names_follow_the_tree():
    tree = grow([Leaf("DET:VETO:HV1:CH01:CURRENT_RBV", ("VETO", "HV1", "CH01")), Leaf("ACC:BEAM", ("Beam line",))], {})
    names = state_names("DET", tree)
    assert names.nodes == {
        (): "DET:ALARM:STATE",
        ("VETO",): "DET:ALARM:VETO",
        ("VETO", "HV1"): "DET:ALARM:VETO:HV1",
        ("VETO", "HV1", "CH01"): "DET:ALARM:VETO:HV1:CH01",
        ("Beam line",): "DET:ALARM:BEAM_LINE",
    }
    assert names.leaves == {
        "DET:VETO:HV1:CH01:CURRENT_RBV": "DET:ALARM:VETO:HV1:CH01:CURRENT_RBV",
        "ACC:BEAM": "DET:ALARM:ACC:BEAM",
    }


@given(st.lists(st.tuples(PARTS, st.lists(PARTS, min_size=1, max_size=4)), max_size=12, unique_by=lambda pair: pair[0]))
def test_names_are_legal_and_different(pairs):
    tree = grow([Leaf(f"DET:{pv}", tuple(path)) for pv, path in pairs], {})
    names = state_names("DET", tree, {"DET:ALARM:ACK"})
    every = [*names.nodes.values(), *names.leaves.values(), "DET:ALARM:ACK"]
    every += [f"{names.nodes[area]}:{suffix}" for area in tree.areas for suffix in ("N_ALARMS", "N_UNACKED")]
    assert len(set(every)) == len(every)
    for name in every:
        assert len(name) <= 60
        assert re.fullmatch(r"[A-Z0-9_:]+", name)
