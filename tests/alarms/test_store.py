"""Databases that are not what they should be."""

import pytest

from alarms.store import Store
from alarms.tree import grow
from sipmdcs.clock import ManualClock
from sipmdcs.errors import ServiceError

EMPTY = grow([], {})


@pytest.mark.parametrize("content", [b"no database at all" * 100, b"SQLite format 3\0" + b"\xff" * 8000])
def test_a_damaged_database_is_set_aside_because_alarms_must_work(tmp_path, content, caplog):
    path = tmp_path / "alarms.sqlite"
    path.write_bytes(content)
    clock = ManualClock()
    store = Store(path, clock)
    assert store.states(EMPTY) == {}
    store.close()
    (aside,) = tmp_path.glob("alarms.sqlite.damaged-*")
    assert aside.read_bytes() == content
    assert f"is damaged (file is not a database) and set aside as {aside.name}; all alarms begin anew" in caplog.text


def test_a_place_where_no_database_can_be_is_refused(tmp_path):
    (tmp_path / "alarms.sqlite").mkdir()
    with pytest.raises(ServiceError, match=r"alarms\.sqlite cannot be opened: .*unable to open"):
        Store(tmp_path / "alarms.sqlite", ManualClock())
