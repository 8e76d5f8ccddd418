"""Which names a request finds."""

from itertools import count

from archiver.names import matching


def test_no_more_names_are_looked_at_than_it_takes() -> None:
    """Each page of a client would else cost as much as the whole archive has PVs."""
    names = (f"PV{number}" for number in count())
    assert matching(names, {}, 3) == ["PV0", "PV1", "PV2"]
    assert matching(names, {"pv": "*7"}, 2) == ["PV7", "PV17"]
    assert matching(["A", "B"], {"regex": "[AB]"}, -1) == ["A", "B"]
