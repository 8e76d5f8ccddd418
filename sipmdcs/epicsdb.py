"""Records from EPICS database files: ``.template`` or ``.db``, and the ``.substitutions`` that multiply them.

The syntax is that of EPICS Base 7 (Application Developer's Guide, "Database Definition"), read strictly: an undefined
macro, an unknown keyword, a pattern row of the wrong length or a record defined twice is a ``BadInput`` naming file and line.
EPICS Base would warn, guess or drop. Templates that are read here load unchanged into EPICS Base; of substitutions two things
do not: a macro in the name of a template, and a quote or backslash in the value of a macro, which Base reads once more.

Macros are expanded inside words and quoted strings. One macro standing for several words is not supported.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from sipmdcs.dbtokens import Item, Reader, open_reader
from sipmdcs.errors import BadInput
from sipmdcs.macros import MacroTexts, expand_macros

MAX_TEMPLATE_BYTES = 1 << 18
"""Files up to this size are kept once read, for they are used again with other macros; longer ones are read as a stream."""
MAX_NAME_LENGTH = 60
"""Longest record name EPICS Base accepts (``PVNAME_STRINGSZ`` less the terminator)."""

_RECORD_NAME = re.compile(r"[!#%&(-\-/-~]+")
"""Letters that are seen, but no quote, dot or dollar sign."""


class Record(NamedTuple):
    """One record, all macros expanded."""

    type: str
    """Record type, such as ``ai``."""
    name: str
    """Name of the record, at most 60 characters."""
    fields: Mapping[str, str]
    """Field values as written, by field name; a field that is not set is absent."""
    info: Mapping[str, str]
    """``info()`` items; a JSON value keeps its JSON text."""
    aliases: tuple[str, ...] = ()
    """Other names of the same record."""
    file: str = ""
    """File of the definition."""
    lines: Mapping[str, int] = MappingProxyType({})
    """Line of each field, of each info item as ``info(name)``, and of the record itself as an empty string."""

    def bad(self, key: str, message: str) -> BadInput:
        """An error about one field (``HIHI``) or info item (``info(archive)``), naming the line it was written on."""
        line = self.lines.get(key, self.lines.get(""))
        return BadInput(message, file=self.file, line=line, key=f"{self.name}.{key}" if key else self.name)


@dataclass(frozen=True, slots=True)
class _Body:
    """One record or stand-alone alias of a template, unexpanded."""

    type: str
    name: str
    line: int
    fields: dict[str, str] = field(default_factory=dict)
    info: dict[str, str] = field(default_factory=dict)
    aliases: list[Item] = field(default_factory=list)
    lines: dict[str, int] = field(default_factory=dict)
    """As of ``Record``."""
    field_macros: list[Item] = field(default_factory=list)
    """The fields that hold macros."""
    info_macros: list[Item] = field(default_factory=list)
    """The info items that do."""
    twice: list[Item] = field(default_factory=list)
    """Those that were set before."""

    def add(self, item: Item) -> None:
        """Take in one statement."""
        if item.kind == "alias":
            self.aliases.append(item)
            return
        target, key = (self.fields, item.name) if item.kind == "field" else (self.info, f"info({item.name})")
        if item.name in target:
            self.twice.append(item)
        target[item.name] = item.value
        self.lines[key] = item.line
        if "$" in item.value:
            (self.field_macros if item.kind == "field" else self.info_macros).append(item)

    def texts(self) -> Iterator[str]:
        """All that is expanded."""
        yield from (self.type, self.name)
        yield from (item.value for item in (*self.aliases, *self.field_macros, *self.info_macros))


_Expand = Callable[[str, int], str]
"""Takes a text and its line."""


def _expander(path: Path, macros: Mapping[str, str], texts: MacroTexts | None = None) -> _Expand:
    """What expands the texts of a file; ``texts`` are expanded at once."""
    known = texts.expand(macros).get if texts is not None else {}.get

    def expand(text: str, line: int) -> str:
        found = known(text)
        return expand_macros(text, macros, file=path, line=line) if found is None else found

    return expand


@lru_cache(maxsize=256)
def _parse_template(path: Path, _stamp: tuple[int, int]) -> tuple[tuple[_Body, ...], MacroTexts]:
    bodies = tuple(_parse(open_reader(path)))
    return bodies, MacroTexts({text for body in bodies for text in body.texts()})


def _parse(reader: Reader) -> Iterator[_Body]:
    while not reader.at_end():
        line = reader.line
        keyword = reader.take("record", "grecord", "alias")
        reader.take("(")
        first = reader.value("a record name" if keyword == "alias" else "a record type")
        reader.take(",")
        second = reader.value("an alias" if keyword == "alias" else "a record name")
        reader.take(")")
        if keyword == "alias":
            yield _Body("alias", first, line, aliases=[Item("alias", "", second, line)])
        else:
            body = _Body(first, second, line, lines={"": line})
            for item in _record_items(reader, line):
                body.add(item)
            yield body


def _record_items(reader: Reader, opened: int) -> Iterator[Item]:
    if not reader.skip("{"):
        return
    while True:
        yield from reader.plain_items()
        if reader.skip("}"):
            return
        line = reader.line
        if not reader.at("field", "info", "alias"):
            raise reader.error(f"field, info, alias or the '}}' of the record at line {opened}")
        keyword = reader.take("field", "info", "alias")
        reader.take("(")
        if keyword == "alias":
            yield Item("alias", "", reader.value("an alias"), line)
        else:
            name = reader.value(f"the name of the {keyword}")
            reader.take(",")
            yield Item(keyword, name, _value_or_json(reader), line)
        reader.take(")")


def _value_or_json(reader: Reader) -> str:
    if not reader.at_json():
        return reader.value("a value")
    line = reader.line
    text = reader.json_text()
    if "$" not in text:
        try:
            json.loads(text)
        except ValueError as err:
            raise BadInput(f"not valid JSON: {err}", file=reader.file, line=line) from err
        except RecursionError as err:
            raise BadInput("JSON is nested too deeply", file=reader.file, line=line) from err
    return text


def iter_records(path: Path, macros: Mapping[str, str]) -> Iterator[Record]:
    """As ``load_template``, one record after the other: of a long file only what is asked for is held.

    Raises:
        BadInput: as ``load_template``, when the fault is reached.
    """
    if _stamp(path)[1] <= MAX_TEMPLATE_BYTES:
        yield from load_template(path, macros)
        return
    reader = open_reader(path)
    expand = _expander(path, macros)
    aliases = _lone_aliases(open_reader(path), expand) if reader.may_hold_lone_aliases() else {}
    lines: dict[str, int] = {}
    for body in _parse(reader):
        name = expand(body.name, body.line)
        if body.type == "alias":
            _lone_alias(body, name, lines, path, expand)
            continue
        _check_new(name, lines.get(name), path, body.line)
        lines[name] = body.line
        record = _expand_record(body, name, expand, str(path))
        yield _with_aliases(record, aliases[name]) if name in aliases else record


def _lone_aliases(reader: Reader, expand: _Expand) -> dict[str, list[str]]:
    """The aliases that come after their records, by record, up to the first fault: reading the records reports it."""
    found: dict[str, list[str]] = {}
    with suppress(BadInput):
        for body in _parse(reader):
            if body.type == "alias":
                found.setdefault(expand(body.name, body.line), []).append(expand(body.aliases[0].value, body.line))
    return found


def load_template(path: Path, macros: Mapping[str, str]) -> list[Record]:
    """All records of a ``.template`` or ``.db`` file with macros expanded, aliases attached to their records.

    Raises:
        BadInput: anything that is not plain EPICS database syntax, with file and line.
    """
    stamp = _stamp(path)
    if stamp[1] > MAX_TEMPLATE_BYTES:
        return list(_expand_all(_parse(open_reader(path)), path, _expander(path, macros)).values())
    bodies, texts = _parse_template(path, stamp)
    return list(_expand_all(bodies, path, _expander(path, macros, texts)).values())


def _stamp(path: Path) -> tuple[int, int]:
    """When a file was changed, and its size in bytes."""
    try:
        stat = path.stat()
    except OSError as err:
        raise BadInput(f"cannot be read: {err.strerror}", file=path) from err
    return stat.st_mtime_ns, stat.st_size


def _expand_all(bodies: Iterable[_Body], path: Path, expand: _Expand) -> dict[str, Record]:
    records: dict[str, Record] = {}
    file = str(path)
    for body in bodies:
        name = expand(body.name, body.line)
        if body.type == "alias":
            alias = _lone_alias(body, name, records, path, expand)
            records[name] = _with_aliases(records[name], [alias])
            continue
        _check_new(name, records[name].lines[""] if name in records else None, path, body.line)
        records[name] = _expand_record(body, name, expand, file)
    return records


def _lone_alias(body: _Body, name: str, known: Collection[str], path: Path, expand: _Expand) -> str:
    if name not in known:
        raise BadInput(f"alias of {name}, which is not defined above", file=path, line=body.line)
    alias = expand(body.aliases[0].value, body.line)
    _check_name(alias, path, body.line)
    return alias


def _check_new(name: str, earlier: int | None, path: Path, line: int) -> None:
    _check_name(name, path, line)
    if earlier is not None:
        raise BadInput(f"record {name} is already defined at line {earlier}", file=path, line=line)


def _expand_record(body: _Body, name: str, expand: _Expand, path: str) -> Record:
    for item in body.twice:
        raise BadInput(f"{item.kind} {item.name} of {name} is set twice", file=path, line=item.line)
    fields = _filled(body.fields, body.field_macros, expand) if body.field_macros else body.fields
    info = _filled(body.info, body.info_macros, expand) if body.info_macros else body.info
    type_ = expand(body.type, body.line) if "$" in body.type else body.type
    aliases: tuple[str, ...] = ()
    if body.aliases:
        aliases = tuple([expand(item.value, item.line) for item in body.aliases])
        for item, alias in zip(body.aliases, aliases, strict=True):
            _check_name(alias, path, item.line)
    return Record(type_, name, fields, info, aliases, path, body.lines)


def _filled(texts: dict[str, str], macros: Iterable[Item], expand: _Expand) -> dict[str, str]:
    filled = texts.copy()
    for _, name, value, line in macros:
        filled[name] = expand(value, line)
    return filled


def _with_aliases(record: Record, aliases: Iterable[str]) -> Record:
    return record._replace(aliases=(*record.aliases, *aliases))


def _check_name(name: str, path: Path | str, line: int) -> None:
    if len(name) > MAX_NAME_LENGTH:
        raise BadInput(f"name {name} has {len(name)} characters, EPICS allows {MAX_NAME_LENGTH}", file=path, line=line)
    if not _RECORD_NAME.fullmatch(name):
        message = f"name {name!r} is empty or holds a blank, quote, dot or dollar sign, or a letter that is not ASCII"
        raise BadInput(message, file=path, line=line)


def load_substitutions(path: Path, search_path: Sequence[Path], macros: Mapping[str, str] | None = None) -> list[Record]:
    """All records of a ``.substitutions`` file; templates are looked up beside it, then along ``search_path``.

    Raises:
        BadInput: as ``load_template``; also a template that is not found, a row that does not fit its pattern, or one record
            name made twice, by whichever rows.
    """
    return list(iter_substitutions(path, search_path, macros))


def iter_substitutions(path: Path, search_path: Sequence[Path], macros: Mapping[str, str] | None = None) -> Iterator[Record]:
    """As ``load_substitutions``, without holding the records of all rows.

    Raises:
        BadInput: as ``load_substitutions``, when the fault is reached.
    """
    names: set[str] = set()
    found: dict[str, Path] = {}
    for template, line, row in _rows(path, dict(macros or {})):
        if template not in found:
            found[template] = _find(template, path, line, search_path)
        for record in _row_records(found[template], row, f"{path.name}:{line}"):
            for name in (record.name, *record.aliases) if record.aliases else (record.name,):
                if name in names:
                    raise BadInput(f"{name} from {template} is already made by an earlier row", file=path, line=line)
                names.add(name)
            yield record


def _row_records(template: Path, row: Mapping[str, str], used_at: str) -> list[Record]:
    try:
        return load_template(template, row)
    except BadInput as err:
        raise BadInput(f"{err.message}, used at {used_at}", file=err.file, line=err.line, key=err.key) from err


def _find(template: str, path: Path, line: int, search_path: Sequence[Path]) -> Path:
    folders = (path.parent, *search_path)
    for folder in folders:
        if (folder / template).is_file():
            return folder / template
    looked = ", ".join(map(str, folders))
    raise BadInput(f"template {template} is not in {looked}", file=path, line=line)


def _rows(path: Path, macros: dict[str, str]) -> Iterator[tuple[str, int, dict[str, str]]]:
    """Each instantiation: template name, line, and the macros that hold for it."""
    reader = open_reader(path)
    scope = dict(macros)
    while not reader.at_end():
        if reader.take("global", "file") == "global":
            scope.update(_assignments(reader))
            continue
        template = expand_macros(reader.value("a template name"), scope, file=path, line=reader.line)
        opened = reader.line
        reader.take("{")
        pattern: list[str] | None = None
        if reader.skip("pattern"):
            reader.take("{")
            at = reader.line
            pattern = _words(reader, "a macro name")
            if twice := [name for name in pattern if pattern.count(name) > 1]:
                raise BadInput(f"macro {twice[0]} is twice in the pattern", file=path, line=at)
        while not reader.skip("}"):
            line = reader.line
            if reader.skip("global"):
                scope.update(_assignments(reader))
                continue
            if not reader.at("{"):
                raise reader.error(f"'{{' or the '}}' of the block at line {opened}")
            if pattern is None:
                yield template, line, scope | _assignments(reader)
                continue
            values = reader.plain_row()
            if values is None:
                reader.take("{")
                values = _words(reader, "a value")
            if len(values) != len(pattern):
                message = f"row has {len(values)} values, the pattern {len(pattern)} ({', '.join(pattern)})"
                raise BadInput(message, file=path, line=line)
            yield template, line, scope | dict(zip(pattern, values, strict=True))


def _assignments(reader: Reader) -> dict[str, str]:
    reader.take("{")
    out: dict[str, str] = {}
    while not reader.skip("}"):
        line = reader.line
        name = reader.value("a macro name")
        if name in out:
            raise BadInput(f"macro {name} is set twice", file=reader.file, line=line)
        reader.take("=")
        out[name] = reader.value(f"the value of {name}")
        reader.skip(",")
    return out


def _words(reader: Reader, what: str) -> list[str]:
    out: list[str] = []
    while not reader.skip("}"):
        out.append(reader.value(what))
        reader.skip(",")
    return out


def quote(text: str) -> str:
    """``text`` as a quoted string of the database syntax."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r")
    return f'"{escaped}"'


def format_records(records: Iterable[Record]) -> str:
    """Records as plain database text, macros gone: what EPICS Base or another tool loads."""
    out: list[str] = []
    for record in records:
        out.append(f"record({record.type}, {quote(record.name)}) {{")
        out += [f"    alias({quote(alias)})" for alias in record.aliases]
        out += [f"    field({name}, {_field_text(value)})" for name, value in record.fields.items()]
        out += [f"    info({name}, {_field_text(value)})" for name, value in record.info.items()]
        out.append("}")
    return "\n".join(out) + "\n"


def _field_text(value: str) -> str:
    if value[:1] in ("{", "["):
        try:
            json.loads(value)
        except ValueError:
            return quote(value)
        return value
    return quote(value)
