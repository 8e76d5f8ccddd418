"""Macro expansion: what EPICS Base's macLib does, and errors where that guesses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipmdcs.errors import BadInput
from sipmdcs.macros import MacroTexts, expand_macros

MACROS = {"P": "DET:HV", "R": "CH01", "N": "P", "EMPTY": "", "NESTED": "$(P):$(R)", "LOOP": "$(LOOP)", "A": "$(B)", "B": "$(A)"}


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("plain", "plain"),
        ("$(P):$(R)", "DET:HV:CH01"),
        ("${P}:${R}", "DET:HV:CH01"),
        ("$(UNSET=5)", "5"),
        ("$(UNSET=)", ""),
        ("$(P=5)", "DET:HV"),
        ("$(EMPTY=5)", ""),
        ("$(UNSET=$(P))", "DET:HV"),
        ("$(UNSET=$(ALSO=x))", "x"),
        ("$(UNSET=a(b)c)", "a(b)c"),
        ("$(NESTED).VAL", "DET:HV:CH01.VAL"),
        ("$($(N))", "DET:HV"),
        ("${$(N)}", "DET:HV"),
        ("$(UNSET=${P})", "DET:HV"),
        ("cost 5$", "cost 5$"),
        ("$P", "$P"),
        ("$$(R)", "$CH01"),
    ],
)
def test_expansion(text: str, expanded: str) -> None:
    assert expand_macros(text, MACROS) == expanded


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("$(UNSET)", "f.db:7: macro UNSET is not defined and has no default"),
        ("x $(UNSET=$(ALSO))", "f.db:7: macro ALSO is not defined and has no default"),
        ("$(P", "f.db:7: macro $(P… is not closed"),
        ("$(P}", "f.db:7: macro $(P}… is not closed"),
        ("${UNSET=$(P)", "is not closed"),
        ("$(LOOP)", "f.db:7: macro LOOP refers to itself"),
        ("$(A)", "f.db:7: macro A refers to itself"),
        ("$()", "macro  is not defined"),
    ],
)
def test_refused(text: str, message: str) -> None:
    with pytest.raises(BadInput) as caught:
        expand_macros(text, MACROS, file="f.db", line=7)
    assert message in str(caught.value)


@given(st.text(st.characters(exclude_characters="$")))
def test_text_without_a_dollar_is_left_alone(text: str) -> None:
    assert expand_macros(text, {}) == text


@given(st.dictionaries(st.from_regex(r"[A-Z][A-Z0-9_]{0,8}", fullmatch=True), st.text(st.characters(exclude_characters="$"))))
def test_every_macro_gives_its_value(macros: dict[str, str]) -> None:
    assert expand_macros("|".join(f"$({name})" for name in macros), macros) == "|".join(macros.values())


PIECES = st.sampled_from(
    [
        "$",
        "%",
        "%s",
        "(",
        ")",
        "{",
        "}",
        "=",
        "P",
        "R",
        "x ",
        "$(P)",
        "${R}",
        "$(UNSET=",
        "$(UNSET=5)",
        "$(N",
        "$(EMPTY)",
        "$(NESTED)",
    ]
)


@given(st.lists(st.lists(PIECES, max_size=8).map("".join), max_size=5), st.dictionaries(st.sampled_from("PRN"), PIECES))
def test_texts_expanded_together_are_what_each_is_alone(texts: list[str], more: dict[str, str]) -> None:
    macros = MACROS | more
    for text, expanded in MacroTexts(texts).expand(macros).items():
        assert expanded == expand_macros(text, macros)


def test_plain_texts_are_expanded_together() -> None:
    texts = ["$(P):$(R)", "50 % of $(UNSET=5)", "${P}", "plain"]
    assert MacroTexts(texts).expand(MACROS) == {text: expand_macros(text, MACROS) for text in texts}
