from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from configtool.formula import constant, parse_formula
from configtool.layers import DEFAULT, ChannelId, Layer, Place
from configtool.settings import Change, Settings, changes, from_rows

places = st.one_of(
    st.just(DEFAULT),
    st.builds(Place, st.just(Layer.CONTROLLER), st.sampled_from(["07", "17"])),
    st.builds(Place, st.just(Layer.CHANNEL), st.sampled_from(["07.01", "17.16"])),
)
formulas = st.one_of(st.integers(-99, 99).map(lambda n: constant(Decimal(n) / 10)), st.just(parse_formula("VBR + OVERVOLTAGE")))
all_settings = st.dictionaries(st.tuples(places, st.sampled_from(["BIAS", "VBR"])), formulas).map(lambda d: Settings(d.items()))


def test_canonical_json_is_fixed() -> None:
    settings = Settings(
        [((Place(Layer.CHANNEL, "17.01"), "VBR"), parse_formula("52.30")), ((DEFAULT, "BIAS"), parse_formula("VBR+5.00"))]
    )
    assert settings.canonical_json() == '{"schema":1,"settings":[[0,"","BIAS","VBR + 5"],[3,"17.01","VBR","52.3"]]}'
    assert settings.content_hash == "91287f0a7cd60b6de7402458cd22425a6aa876b723b4bedadac39f73a6fa4e5c"


@given(all_settings)
def test_the_hash_does_not_depend_on_order(settings: Settings) -> None:
    assert Settings(reversed(list(settings.items()))).content_hash == settings.content_hash


@given(all_settings, all_settings)
def test_equal_content_has_equal_hashes_and_only_that(a: Settings, b: Settings) -> None:
    assert (a.content_hash == b.content_hash) == (dict(a) == dict(b)) == (a == b) == (not changes(a, b))


@given(all_settings)
def test_rows_read_back(settings: Settings) -> None:
    rows = [(int(place.layer), place.target, name, str(formula)) for (place, name), formula in settings.items()]
    assert from_rows(rows) == settings


@given(all_settings, all_settings)
def test_changes_lead_from_one_to_the_other(a: Settings, b: Settings) -> None:
    entries = dict(a)
    for change in changes(a, b):
        assert entries.get((change.place, change.parameter)) == change.before
        entries.pop((change.place, change.parameter), None)
        if change.after is not None:
            entries[change.place, change.parameter] = change.after
    assert Settings(entries.items()) == b


def test_the_channels_are_those_with_an_entry_of_their_own() -> None:
    settings = Settings(
        [
            ((Place(Layer.CHANNEL, "17.10"), "VBR"), parse_formula("52")),
            ((Place(Layer.CHANNEL, "17.02"), "VBR"), parse_formula("52")),
        ]
    )
    assert settings.channels == (ChannelId("17", 2), ChannelId("17", 10))
    assert changes(Settings(), settings)[0] == Change(Place(Layer.CHANNEL, "17.02"), "VBR", None, parse_formula("52"))
