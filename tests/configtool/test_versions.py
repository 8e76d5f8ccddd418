from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine, text

from configtool.formula import parse_formula
from configtool.layers import DEFAULT
from configtool.settings import Settings
from configtool.store import Store
from configtool.versions import NotHead, commit, find_version, head, list_versions, load_settings
from sipmdcs.errors import BadInput

NOW = datetime(2026, 11, 1, 12, 0, 0, 123456, tzinfo=UTC)


def settings(value: str) -> Settings:
    return Settings([((DEFAULT, "OVERVOLTAGE"), parse_formula(value)), ((DEFAULT, "BIAS"), parse_formula("VBR + OVERVOLTAGE"))])


def add(store: Store, value: str, parent: int | None, author: str = "me") -> int:
    with store.session() as session:
        return commit(session, settings(value), parent=parent, author=author, message="why", now=NOW).number


def test_versions_follow_each_other(store: Store) -> None:
    assert [add(store, "5", None), add(store, "4.50", 1), add(store, "5.0", 2)] == [1, 2, 3]
    with store.session() as session:
        third, second, first = list_versions(session)
        assert (third.parent, second.parent, first.parent) == (2, 1, None)
        assert third.content_hash == first.content_hash != second.content_hash
        assert (first.created_at, first.author, first.message) == (NOW, "me", "why")
        assert load_settings(session, 2) == settings("4.5")
        assert head(session) == third


def test_a_version_is_found_by_number_hash_or_as_head(store: Store) -> None:
    for parent, value in ((None, "5"), (1, "4"), (2, "5")):
        add(store, value, parent)
    with store.session() as session:
        assert find_version(session, "2").number == 2
        assert find_version(session, "head").number == 3
        assert find_version(session, settings("4").content_hash[:8]).number == 2
        assert find_version(session, settings("5").content_hash).number == 3


@pytest.mark.parametrize("name", ["0", "4", "-1", "99999999999999999999", "abc", "%%%%%%", "______", "live", "", "\uff12"])
def test_a_version_that_is_not_there(store: Store, name: str) -> None:
    add(store, "5", None)
    with store.session() as session, pytest.raises(BadInput, match="there is no version"):
        find_version(session, name)


def test_before_the_first_version(store: Store) -> None:
    with store.session() as session:
        assert head(session) is None
        with pytest.raises(BadInput, match="there are no settings yet; run: sipmdcs config import --channels FILE"):
            find_version(session, "head")


@pytest.mark.parametrize("parent", [None, 1, 3])
def test_a_change_on_something_that_is_not_the_head_is_refused(store: Store, parent: int | None) -> None:
    add(store, "5", None, author="ada")
    add(store, "4", 1, author="bob")
    with pytest.raises(
        NotHead, match=r"which is not the head: version 2 \([0-9a-f]{12}\) by bob at 2026-11-01 12:00:00 UTC is"
    ):
        add(store, "3", parent)
    with store.session() as session:
        assert len(list_versions(session)) == 2


def test_of_many_writers_on_one_head_one_wins(engine: Engine, store: Store) -> None:
    add(store, "5", None)

    def write(n: int) -> bool:
        try:
            add(store, str(n), 1, author=f"writer {n}")
        except NotHead:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(write, range(4))) == 1
    with store.session() as session:
        assert len(list_versions(session)) == 2


def test_tampering_is_seen(engine: Engine, store: Store) -> None:
    add(store, "5", None)
    trigger = "config_setting_frozen_update"
    with engine.begin() as connection:
        on = " ON config_setting" if engine.dialect.name == "postgresql" else ""
        connection.execute(text(f"DROP TRIGGER {trigger}{on}"))
        connection.execute(text("UPDATE config_setting SET formula = '9' WHERE parameter = 'OVERVOLTAGE'"))
    with store.session() as session, pytest.raises(BadInput, match="version 1: its settings do not have the hash"):
        load_settings(session, 1)
