"""Which names a request finds."""

from itertools import count
from pathlib import Path

import pytest

from archiver.catalogue import Catalogue
from archiver.names import matching
from archiver.policy import ArchiveMethod, ArchivePolicy


def test_no_more_names_are_looked_at_than_it_takes() -> None:
    """Each page of a client would else cost as much as the whole archive has PVs."""
    names = (f"PV{number}" for number in count())
    assert matching(names, {}, 3) == ["PV0", "PV1", "PV2"]
    assert matching(names, {"pv": "*7"}, 2) == ["PV7", "PV17"]
    assert matching(["A", "B"], {"regex": "[AB]"}, -1) == ["A", "B"]


@pytest.mark.parametrize("size", [0, 1, 1000, 2001])
def test_all_names_of_a_catalogue_are_told_in_order(tmp_path: Path, size: int) -> None:
    catalogue = Catalogue(tmp_path / "catalogue.sqlite")
    names = [f"{'ÄaZ'[number % 3]}:{number}" for number in range(size)]
    catalogue.register(dict.fromkeys(names, ArchivePolicy(ArchiveMethod.MONITOR, 1.0)), 1)
    with catalogue.names() as told:
        assert list(told) == sorted(names)
    catalogue.close()
