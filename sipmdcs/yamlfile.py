"""YAML files written by people: read with the safe loader, checked by a schema, complained about by line and key."""

from __future__ import annotations

import json
from collections.abc import Hashable
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError
from yaml.reader import ReaderError

from sipmdcs.errors import BadInput
from sipmdcs.inputfile import read_text
from sipmdcs.redaction import HIDDEN, is_secret, redact_url


class Strict(BaseModel):
    """Base of every schema: an unknown key is an error, nothing changes after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Model = TypeVar("Model", bound=BaseModel)
KeyPath = tuple[Hashable, ...]


class KeyProblem(ValueError):
    """What a validator of a whole model raises about one key of it, so that the message names that key and its line."""

    def __init__(self, key_path: KeyPath, message: str) -> None:
        self.key_path = key_path
        super().__init__(message)


DEEPEST = 50
"""Levels of a file; more is a slip, or an alias that holds itself."""
MAX_ALIASED = 100_000
"""Keys and list items that aliases may repeat: a few lines of aliases to aliases could be millions of entries."""
_NESTED = "not valid YAML: nested too deeply, or an alias holds itself"
_TEXT = "tag:yaml.org,2002:str"
_MOST_BYTES = 64_000_000
"""A file of a whole site has a few hundred thousand."""
_LONG_TEXT = 5_000
"""Characters from which the parser in C is worth being tried first; its messages are not those of the one in Python."""


def read_yaml(path: Path, schema: type[Model]) -> Model:
    """One YAML file as an instance of ``schema``.

    Raises:
        BadInput: not readable, not UTF-8, not YAML, a key twice, or not what the schema expects; the first
            problem only, with file, line and key.
    """
    return parse_yaml(read_text(path, _MOST_BYTES).replace("\r\n", "\n"), schema, path)


def parse_yaml(text: str, schema: type[Model], path: Path) -> Model:
    """As ``read_yaml``, from text; ``path`` is only for messages."""
    lines: dict[KeyPath, int] = {}
    try:
        data = _plain_data(text)
    except _NotPlain:
        data, lines = _any_data(text, path)
    try:
        return schema.model_validate(data)
    except ValidationError as err:
        raise _first_problem(err, lines or _lines(_composed(text), path), path) from err


def _any_data(text: str, path: Path) -> tuple[Any, dict[KeyPath, int]]:
    """What a file holds, and the line of every key and list item."""
    loader: yaml.SafeLoader | None = None
    root: yaml.Node | None = None
    try:
        root = _composed_in_c(text) if len(text) > _LONG_TEXT else None
        loader = yaml.SafeLoader("" if root else text)
        root = root or loader.get_single_node()
        lines = _lines(root, path)
        return {} if root is None else loader.construct_document(root), lines
    except yaml.MarkedYAMLError as err:
        line = err.problem_mark.line + 1 if err.problem_mark else None
        raise BadInput(f"not valid YAML: {err.problem or err.context}", file=path, line=line) from err
    except ReaderError as err:
        line = text[: err.position].count("\n") + 1
        raise BadInput(f"not valid YAML: character {err.character:#x} is not allowed", file=path, line=line) from err
    except _TooDeep as err:
        raise BadInput(_NESTED, file=path, line=err.line) from err
    except RecursionError as err:
        line = None if loader is None else loader.line + 1
        raise BadInput(_NESTED, file=path, line=line) from err
    except ValueError as err:  # a date or number that looks like one but is none, such as 2026-02-30
        raise BadInput(f"not valid YAML: {err}", file=path, line=None if root is None else _bad_scalar_line(root)) from err


def bad_key(path: Path, key_path: KeyPath, message: str) -> BadInput:
    """An error about one key of a file that the schema accepted, such as a name that nothing has.

    Args:
        path: the file, which is read again to find the line.
        key_path: keys and list indices from the top, such as ``("pvs", "DET:*")``.
        message: what is wrong, what was expected.
    """
    text = path.read_text("utf-8")
    return BadInput(message, file=path, line=_lines(_composed(text), path).get(key_path), key=_dotted(key_path))


def _composed(text: str) -> yaml.Node | None:
    return _composed_in_c(text) or yaml.compose(text, yaml.SafeLoader)


def _bad_scalar_line(node: yaml.Node) -> int | None:
    """Line of the first scalar that cannot be what it looks like."""
    if isinstance(node, yaml.ScalarNode):
        try:
            yaml.SafeLoader("").construct_object(node)
        except ValueError:
            return node.start_mark.line + 1
        return None
    if not isinstance(node, yaml.CollectionNode):
        return None
    inner = (part for entry in node.value for part in (entry if isinstance(entry, tuple) else (entry,)))
    return next((line for part in inner if (line := _bad_scalar_line(part)) is not None), None)


def _composed_in_c(text: str) -> yaml.Node | None:
    """The nodes of a text, ten times as fast as in Python; ``None`` without that parser, or if it finds something wrong.

    Raises:
        _TooDeep: the nodes of it would not fit on the stack, and the process would end without a word.
    """
    if not yaml.__with_libyaml__:
        return None
    depth = 0
    try:
        for event in yaml.parse(text, yaml.CSafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > DEEPEST:
                raise _TooDeep(event.start_mark.line + 1)
        return yaml.compose(text, yaml.CSafeLoader)
    except (yaml.YAMLError, UnicodeError):
        return None


class _TooDeep(Exception):
    def __init__(self, line: int) -> None:
        self.line = line
        super().__init__(line)


class _NotPlain(Exception):
    """A file holds what ``_plain_data`` does not read."""


def _plain_data(text: str) -> Any:
    """What nearly every long file holds, in one pass: without the nodes, which take 1.5 kB an entry, and their lines.

    Raises:
        _NotPlain: the text is short or not YAML, it has aliases or more than one document, a key is not text or stands twice,
            a tag is not a usual one, or it is too deep.
    """
    if len(text) <= _LONG_TEXT or not yaml.__with_libyaml__:
        raise _NotPlain
    try:
        loader = yaml.CSafeLoader(text)
        loader.get_event()  # the stream begins
        if type(loader.get_event()) is not yaml.DocumentStartEvent:
            return {}
        data = _built(loader, loader.get_event(), 0)
        loader.get_event()  # the document ends
        if type(loader.get_event()) is not yaml.StreamEndEvent:
            raise _NotPlain
    except (yaml.YAMLError, ValueError) as err:  # what is wrong where, the parser in Python says
        raise _NotPlain from err
    return data


def _built(loader: yaml.CSafeLoader, event: Any, depth: int) -> Any:
    """What begins with ``event``."""
    kind = type(event)
    if event.anchor is not None or event.tag is not None or depth > DEEPEST:
        raise _NotPlain
    if kind is yaml.ScalarEvent:
        if not event.implicit[0]:  # in quotes
            return event.value
        tag = loader.resolve(yaml.ScalarNode, event.value, event.implicit)
        return event.value if tag == _TEXT else loader.construct_object(yaml.ScalarNode(tag, event.value))
    if kind is yaml.SequenceStartEvent:
        items: list[Any] = []
        while type(event := loader.get_event()) is not yaml.SequenceEndEvent:
            items.append(_built(loader, event, depth + 1))
        return items
    data: dict[str, Any] = {}
    while type(event := loader.get_event()) is not yaml.MappingEndEvent:
        key = _built(loader, event, depth + 1)
        if type(key) is not str or key in data:
            raise _NotPlain
        data[key] = _built(loader, loader.get_event(), depth + 1)
    return data


def _lines(root: yaml.Node | None, path: Path) -> dict[KeyPath, int]:
    """Line of every key and list item.

    Raises:
        BadInput: a key stands twice, or the file is too deep or, through its aliases, too large.
    """
    index = _LineIndex(path)
    if root is not None:
        index.add(root, (), aliased=False)
    return index.lines


class _LineIndex:
    def __init__(self, path: Path) -> None:
        self.lines: dict[KeyPath, int] = {}
        self._path = path
        self._seen: set[int] = set()
        self._aliased = 0

    def add(self, node: yaml.Node, key_path: KeyPath, *, aliased: bool) -> None:
        # A node that was met before is behind an alias, and so is all that it holds.
        aliased = aliased or id(node) in self._seen
        self._seen.add(id(node))
        self._aliased += aliased
        if len(key_path) > DEEPEST or self._aliased > MAX_ALIASED:
            deep = len(key_path) > DEEPEST
            raise BadInput(
                _NESTED if deep else "not valid YAML: too large with its aliases",
                file=self._path,
                line=node.start_mark.line + 1,
            )
        self.lines.setdefault(key_path, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            for key_node, value_node in node.value:
                child = (*key_path, key_node.value if isinstance(key_node, yaml.ScalarNode) else str(key_node.value))
                line = key_node.start_mark.line + 1
                if child in self.lines:
                    said = f"given twice, first at line {self.lines[child]}"
                    raise BadInput(said, file=self._path, line=line, key=_dotted(child))
                self.lines[child] = line
                self.add(value_node, child, aliased=aliased)
        elif isinstance(node, yaml.SequenceNode):
            for index, item in enumerate(node.value):
                child = (*key_path, index)
                self.lines[child] = item.start_mark.line + 1
                self.add(item, child, aliased=aliased)


def _dotted(key_path: KeyPath) -> str:
    # A key may hold a line end, a message not.
    return ".".join(text if (text := str(part)).isprintable() else repr(text) for part in key_path)


_PLAIN_WORDS: dict[str, str] = {
    "model_type": "expected keys with values",
    "dict_type": "expected keys with values",
    "tuple_type": "expected a list",
    "list_type": "expected a list",
    "string_type": "expected text",
    "int_type": "expected a whole number",
    "int_from_float": "expected a whole number",
    "float_type": "expected a number",
    "bool_type": "expected true or false",
    "too_short": "expected at least one entry",
    "invalid_key": "expected a key that is text",
}
"""Messages that would speak of Python."""

_KEY_ITSELF = "[key]"
"""What pydantic appends to the place of a key that is not what it should be."""


def _first_problem(err: ValidationError, lines: dict[KeyPath, int], path: Path) -> BadInput:
    # An unknown key first: it is often the misspelt one of those that are missing.
    problem: Any = min(err.errors(), key=lambda problem: problem["type"] != "extra_forbidden")
    cause = problem.get("ctx", {}).get("error")
    inside: KeyPath = cause.key_path if isinstance(cause, KeyProblem) else ()
    location = _as_written((*(part for part in problem["loc"] if part != _KEY_ITSELF), *inside), lines)
    known = next((location[:n] for n in range(len(location), -1, -1) if location[:n] in lines), ())
    message: str = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "extra_forbidden":
        message = "unknown key"
    elif problem["type"] == "missing":
        message = "is missing"
    else:
        message = _PLAIN_WORDS.get(str(problem["type"]), message)
        if not isinstance(problem.get("input"), dict | list):
            hidden = location and is_secret(str(location[-1]))
            message = f"{message}, found {HIDDEN if hidden else _shown(problem['input'])}"
    if message[1:2].islower():  # not an abbreviation
        message = message[0].lower() + message[1:]
    # A union adds the name of the member it tried; that is no key of the file.
    written = tuple(part for n, part in enumerate(location) if location[: n + 1] in lines or n == len(location) - 1)
    return BadInput(message, file=path, line=lines.get(known, 1), key=_dotted(written) or None)


def _as_written(location: KeyPath, lines: dict[KeyPath, int]) -> KeyPath:
    """A place with its keys as they stand in the file, where ``5`` is text until it is read."""
    written: KeyPath = ()
    for part in location:
        same = (*written, part)
        written = same if same in lines or (*written, str(part)) not in lines else (*written, str(part))
    return written


def _shown(value: object) -> str:
    """A value as a file would have it, not as Python prints it."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return json.dumps(value)
    return repr(redact_url(value)) if isinstance(value, str) else repr(value)
