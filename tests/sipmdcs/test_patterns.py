"""Globs mean what ``fnmatch`` means by them; every pattern answers in a time linear in the text, or is refused."""

import re
import time
from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipmdcs.patterns import BadPattern, fits, glob, regular_expression

PIECES = st.lists(st.sampled_from(["a", "b", "é", "\n", "*", "?", "[", "]", "!", "-", "^", "\\", "[ab]", "[!a-c]"]), max_size=8)


@given(PIECES, st.text("abé\n[]!-^\\", max_size=6))
def test_globs_are_those_of_file_names(pieces: list[str], text: str) -> None:
    pattern = "".join(pieces)
    assert fits(text, pattern) == fnmatchcase(text, pattern)


@pytest.mark.parametrize("text", ["D:CH01:BIAS", "D:CH1", "X"])
@pytest.mark.parametrize("pattern", ["D:.*", r"D:CH\d\d:.*", "(D|X)(:CH01:BIAS)?", "(?i)x", "[^D].*", ""])
def test_regular_expressions_are_those_of_python(pattern: str, text: str) -> None:
    assert regular_expression(pattern).matches(text) == (re.fullmatch(pattern, text) is not None)


@pytest.mark.parametrize("pattern", ["([A-Z]+)*!", "(((a*)*)*)*b", "(A|A?){200}!", "(.*){50}!"])
def test_hostile_patterns_answer(pattern: str) -> None:
    start = time.process_time()
    assert not regular_expression(pattern).matches("A" * 20_000)
    assert not glob("*A" * 300 + "!").matches("A" * 20_000)
    assert time.process_time() - start < 10


@pytest.mark.parametrize(
    ("pattern", "complaint"),
    [
        ("(?=a)b", "invalid perl operator"),
        (r"(a)\1", "invalid escape sequence"),
        ("(", "missing )"),
        ("a{1000}{1000}", "bad repetition"),
        ("\\pL{800}", "too large"),
        ("x" * 1001, "has 1,001 characters, the limit is 1,000"),
        ("\ud800", "cannot be used"),
    ],
)
def test_what_is_refused(pattern: str, complaint: str) -> None:
    with pytest.raises(BadPattern, match=re.escape(complaint)):
        regular_expression(pattern)


@given(st.text(st.characters(), max_size=6), st.text("a*?[]\ud800\udcff", max_size=6))
def test_half_surrogate_pairs_as_of_a_command_line_match_or_are_refused(text: str, pattern: str) -> None:
    half = any("\ud800" <= char <= "\udfff" for char in pattern)
    for name in (text, text + "\udcff"):
        assert isinstance(glob("*").matches(name), bool)
        try:
            fits(name, pattern)
        except BadPattern:
            assert half
        else:
            assert not half
