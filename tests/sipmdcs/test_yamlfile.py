"""What is wrong with a YAML file is said in one line: file, line, key."""

from pathlib import Path
from typing import Annotated

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, model_validator

from sipmdcs.errors import BadInput
from sipmdcs.yamlfile import KeyProblem, Strict, _NotPlain, _plain_data, parse_yaml, read_yaml


class Inner(Strict):
    size: Annotated[int, Field(ge=1)]
    label: str = ""


class Schema(Strict):
    name: str
    parts: tuple[Inner, ...] = ()
    named: dict[str, Inner] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _no_fool(self) -> "Schema":
        if self.name == "fool":
            raise ValueError("a fool is not wanted")
        for index, part in enumerate(self.parts):
            if part.size == 13:
                raise KeyProblem(("parts", index, "size"), "13 is not wanted")
        return self


BILLION_LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
"""A few lines that are 400 million entries."""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "f.yaml:1: name: is missing"),
        ("name: [\n", "f.yaml:2: not valid YAML: "),
        ("name: a\n\tb: c\n", "f.yaml:2: not valid YAML: "),
        ("- 1\n", "f.yaml:1: expected keys with values"),
        ("name: x\nparts: hello\n", "f.yaml:2: parts: expected a list, found 'hello'"),
        ("name: 3\n", "f.yaml:1: name: expected text, found 3"),
        ("name: x\nnmae: y\n", "f.yaml:2: nmae: unknown key"),
        ("nmae: x\n", "f.yaml:1: nmae: unknown key"),
        ("name: x\nname: y\n", "f.yaml:2: name: given twice, first at line 1"),
        (
            "name: x\nparts:\n  - size: 1\n  - size: 0\n",
            "f.yaml:4: parts.1.size: input should be greater than or equal to 1, found 0",
        ),
        ("name: x\nnamed:\n  a: {size: 1}\n  b: {label: z}\n", "f.yaml:4: named.b.size: is missing"),
        ("name: x\nnamed:\n  a:\n    size: 1\n    size: 2\n", "f.yaml:5: named.a.size: given twice, first at line 4"),
        ("name: fool\n", "f.yaml:1: a fool is not wanted"),
        ("parts:\n  - size: 13\nname: x\n", "f.yaml:2: parts.0.size: 13 is not wanted"),
        ("name: x\n5: y\n", "f.yaml:2: 5: expected a key that is text, found 5"),
        ("name: !!python/object/apply:os.system ['true']\n", "f.yaml:1: not valid YAML: could not determine a constructor"),
        ("a: 1\n--- \nb: 2\n", "f.yaml:2: not valid YAML: "),
        ("name: x\nparts: \x07\n", "f.yaml:2: not valid YAML: character 0x7 is not allowed"),
        ("name: &a [*a]\n", "f.yaml:1: not valid YAML: nested too deeply, or an alias holds itself"),
        ("[" * 5000, "f.yaml:1: not valid YAML: nested too deeply"),
        ("name: x\nparts: " + "[" * 100_000, "f.yaml:2: not valid YAML: nested too deeply"),
        ("name: x\nparts: " + "[" * 100_000 + "]" * 100_000, "f.yaml:2: not valid YAML: nested too deeply"),
        ("name: &a x\nparts: [*a]\nnamed: " + "{a: " * 100_000, "f.yaml:3: not valid YAML: nested too deeply"),
        ("name: x\n" + "? " * 100_000 + "a", "f.yaml:2: not valid YAML: nested too deeply"),
        ("name: x\nparts: " + "- " * 100_000 + "a", "f.yaml:2: not valid YAML: "),
        ("named: {}\nname: 2026-02-30\n", "f.yaml:2: not valid YAML: day is out of range for month"),
        (BILLION_LAUGHS, "f.yaml:1: not valid YAML: too large with its aliases"),
        ("name: x\n? '\n\n  '\n: 1\n", r"f.yaml:2: '\n': unknown key"),
    ],
)
def test_message_names_file_line_and_key(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "f.yaml"
    path.write_text(text, "utf-8")
    with pytest.raises(BadInput) as caught:
        read_yaml(path, Schema)
    said = str(caught.value).removeprefix(f"{tmp_path}/")
    assert said.startswith(message)
    assert "\n" not in said


def test_bytes_that_are_no_text_are_named_with_their_line(tmp_path: Path) -> None:
    path = tmp_path / "f.yaml"
    path.write_bytes(b"name: x\n# caf\xe9\n")
    with pytest.raises(BadInput, match=r"f\.yaml:2: byte 0xe9 is not UTF-8"):
        read_yaml(path, Schema)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"none\.yaml: cannot be read: No such file"):
        read_yaml(tmp_path / "none.yaml", Schema)
    with pytest.raises(BadInput, match="/dev/zero: has more than 64 MB"):
        read_yaml(Path("/dev/zero"), Schema)


def test_many_entries_of_a_file_are_no_aliases(tmp_path: Path) -> None:
    path = tmp_path / "f.yaml"
    text = "name: x\nnamed:\n  one: &one {size: 1}\n" + "".join(f"  p{n}: *one\n" for n in range(20_000))
    path.write_text(text + "".join(f"  q{n}: {{size: 1}}\n" for n in range(90_000)), "utf-8")
    assert len(read_yaml(path, Schema).named) == 110_001


def test_a_long_file_is_complained_about_like_a_short_one() -> None:
    text = "name: x\nnamed:\n" + "".join(f"  p{n:050d}: {{size: 1}}\n" for n in range(2_000))
    for line, message in (
        ("q: {size: 0}", "named.q.size: input should be greater than or equal to 1, found 0"),
        ("q: {size: [}", "not valid YAML: expected the node content, but found '}'"),
    ):
        said = _refusal(f"{text}  {line}\n")
        assert said is not None
        assert said.startswith(f"f.yaml:2003: {message}")


def test_good_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "f.yaml"
    path.write_text("name: x\nparts: [{size: 2, label: µ}]\n", "utf-8")
    assert read_yaml(path, Schema) == Schema(name="x", parts=(Inner(size=2, label="µ"),))


def _refusal(text: str) -> str | None:
    """What is said about a text, ``None`` if it is read."""
    try:
        parse_yaml(text, Schema, Path("f.yaml"))
    except BadInput as err:
        return str(err)
    return None


def _is_one_line(said: str | None) -> bool:
    return said is None or (said.startswith("f.yaml") and "\n" not in said)


@given(st.text() | st.text("ab:-[]{}&*!|>'\"#%@`,? \n\t0123456789.~<=", max_size=30))
def test_any_text_is_read_or_refused_in_one_line(text: str) -> None:
    assert _is_one_line(_refusal(text))


_PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=3),
    max_leaves=10,
)


@given(_PLAIN)
def test_any_data_is_read_or_refused_in_one_line(data: object) -> None:
    assert _is_one_line(_refusal(yaml.safe_dump(data, allow_unicode=True)))


@given(_PLAIN)
def test_what_is_read_in_one_pass_is_what_the_loader_reads(data: object) -> None:
    text = f"# {'long ' * 1000}\n{yaml.safe_dump(data, allow_unicode=True)}"
    try:
        assert _plain_data(text) == yaml.safe_load(text)
    except _NotPlain:
        assert "&id" in text or _holds_numbers_as_keys(data)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: {c: [1, 2}", "f.yaml:3: not valid YAML: expected ',' or ']'"),
        ("name: x\nname: y", "f.yaml:3: name: given twice, first at line 2"),
        ("name: 2026-02-30", "f.yaml:2: not valid YAML: day is out of range"),
        ("name: !!python/name:os.system x", "f.yaml:2: not valid YAML: could not determine a constructor"),
        ("name: x\n---\nname: y", "f.yaml:3: not valid YAML: but found another document"),
        ("name: &a [*a]", "f.yaml:2: not valid YAML: nested too deeply"),
        ("name: " + "[" * 60 + "]" * 60, "f.yaml:2: not valid YAML: nested too deeply"),
        ("naem: x", "f.yaml:2: naem: unknown key"),
    ],
)
def test_a_long_file_is_refused_in_the_words_of_a_short_one(text: str, message: str) -> None:
    short, long = _refusal(f"# short\n{text}\n"), _refusal(f"# {'long ' * 1000}\n{text}\n")
    assert short == long
    assert short is not None
    assert short.startswith(message)


def _holds_numbers_as_keys(data: object) -> bool:
    if isinstance(data, dict):
        return any(not isinstance(key, str) for key in data) or any(map(_holds_numbers_as_keys, data.values()))
    return isinstance(data, list) and any(map(_holds_numbers_as_keys, data))
