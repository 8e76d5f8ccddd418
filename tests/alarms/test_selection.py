import pytest
from hypothesis import given
from hypothesis import strategies as st

from alarms import selection
from alarms.selection import matches, matching_nodes, path_matches, select
from alarms.tree import Leaf, grow
from sipmdcs.errors import BadInput
from sipmdcs.patterns import fits

TREE = grow(
    [Leaf("D:V:HV1:CH01:I", ("V", "HV1", "CH01")), Leaf("D:V:HV1:T", ("V", "HV1")), Leaf("D:W:HV1:T", ("W", "HV1"))], {}
)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["/"], 3),
        (["V"], 2),
        (["V/HV1"], 2),
        (["V/HV1/CH01"], 1),
        (["*/HV1"], 3),
        (["V/*/CH*"], 1),
        (["D:V:HV1:T"], 1),
        (["D:*:T"], 2),
        (["V", "D:V:HV1:T"], 2),
    ],
)
def test_selected(words, found):
    assert len(select(TREE, words)) == found


def test_many_patterns_are_refused_and_repeated_names_are_not():
    assert len(select(TREE, ["/", "D:V:HV1:T"] * 5_000 + ["*"])) == 3
    with pytest.raises(BadInput, match="101 patterns"):
        select(TREE, ["*" * number for number in range(1, 102)])


@pytest.mark.parametrize("word", ["X", "V/HV2", "", " ", "HV1", "d:v:hv1:t", "V/HV1/CH01/deeper"])
def test_what_means_nothing_is_refused(word):
    with pytest.raises(BadInput, match="is no path, PV or pattern"):
        select(TREE, [word])


@pytest.mark.parametrize(
    ("pattern", "matches"), [("V", True), ("/V/", True), ("v", False), ("[VW]/HV?", True), ("V/HV11", False)]
)
def test_path_patterns(pattern, matches):
    assert path_matches(pattern, ("V", "HV1", "CH01")) is matches


PARTS = st.sampled_from(["a", "ab", "[a]", "a*", "*", "?", "[ab]", "b[", ""])


@given(st.lists(st.lists(PARTS.filter(bool), max_size=3), max_size=8), st.lists(PARTS, max_size=4))
def test_a_route_is_of_the_nodes_that_its_pattern_names(paths, pattern):
    tree = grow([Leaf(f"D:{n}", tuple(path)) for n, path in enumerate(paths)], {})
    wanted = [part for part in pattern if part]
    named = [node for node in tree.nodes if len(node) == len(wanted) and all(map(matches, node, wanted))]
    assert sorted(matching_nodes(tree, "/".join(pattern))) == sorted(named)


def test_two_hundred_routes_do_not_look_at_ten_thousand_nodes_each(monkeypatch):
    tree = grow([Leaf(f"D:{n}", (f"S{n // 51}", f"C{n % 51}")) for n in range(10_200)], {})
    compared = []
    monkeypatch.setattr(selection, "fits", lambda name, pattern: compared.append(name) or fits(name, pattern))
    for n in range(200):
        assert len(matching_nodes(tree, f"S{n}")) == 1
        assert len(matching_nodes(tree, f"*/C{n % 51}")) == 200
    assert len(compared) <= 200 * 200
