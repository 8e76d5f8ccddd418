"""Bodies are JSON as RFC 8259 has it, or refused in one line."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipmdcs.errors import BadInput
from sipmdcs.http.body import MAX_DEPTH, parse_json

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(PLAIN)
def test_json_is_read_as_it_was_written(content: object) -> None:
    assert parse_json(json.dumps(content, ensure_ascii=False).encode()) == content


@given(st.binary(max_size=200))
def test_any_bytes_are_json_or_refused_in_one_line(body: bytes) -> None:
    try:
        parse_json(body)
    except BadInput as err:
        text = str(err)
    else:
        text = ""
    assert "\n" not in text


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (b"", "body is not JSON"),
        (b'{"a": 1', "body is not JSON"),
        (b'{"a": "\xe9"}', "byte 7 is not UTF-8"),
        (b"\xef\xbb\xbf{}", "body is not JSON"),
        (b"[" * 200_000, "nested too deeply"),
        (b'{"a":' * 900 + b"1" + b"}" * 900, "nested too deeply"),
        (b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1), "nested too deeply"),
        (b'{"a": ' + b"9" * 5_000 + b"}", "a number has 5,000 digits"),
        (b'{"a": -' + b"9" * 41 + b"}", "a number has 42 digits"),
        (b'{"a": 1e999}', "the number 1e999 is too large"),
        (b'{"a": NaN}', "NaN is not JSON"),
        (b'{"a": -Infinity}', "-Infinity is not JSON"),
        (b'{"a": 1, "a": 2}', "key 'a' is there twice"),
        (b'{"b": [{"a": "\\ud800"}]}', "b: a text has half of a surrogate pair"),
        (b'{"\\udfff": 1}', "half of a surrogate pair"),
    ],
    ids=range(15),
)
def test_what_is_not_json(body: bytes, complaint: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse_json(body)
    assert complaint in str(caught.value)
    assert str(caught.value).encode()


def test_the_deepest_that_is_taken() -> None:
    assert parse_json(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)
