import pytest

from alarms.selection import path_matches, select
from alarms.tree import Leaf, grow
from sipmdcs.errors import BadInput

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


@pytest.mark.parametrize("word", ["X", "V/HV2", "", " ", "HV1", "d:v:hv1:t", "V/HV1/CH01/deeper"])
def test_what_means_nothing_is_refused(word):
    with pytest.raises(BadInput, match="is no path, PV or pattern"):
        select(TREE, [word])


@pytest.mark.parametrize(
    ("pattern", "matches"), [("V", True), ("/V/", True), ("v", False), ("[VW]/HV?", True), ("V/HV11", False)]
)
def test_path_patterns(pattern, matches):
    assert path_matches(pattern, ("V", "HV1", "CH01")) is matches
