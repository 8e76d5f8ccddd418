"""Access security files (``.acf``): who may read and write which records.

Understood is what EPICS Base (Application Developer's Guide, "Access Security") offers less ``INP`` and ``CALC``:

    UAG(experts) { alice, bob }
    HAG(counting-room) { daq1, daq2 }
    ASG(SETPOINT) {
        RULE(1, READ)
        RULE(1, WRITE, TRAPWRITE) { UAG(experts) HAG(counting-room) }
    }

A rule of level 1 holds for all fields, one of level 0 for values only. Of the rules that fit a client the most generous
counts; with ``TRAPWRITE`` the puts that it allows are logged. A group that is not in the file has the rules of ``DEFAULT``.
Without a file everybody may do everything.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path

from sipmdcs.errors import BadInput

READ = 1
WRITE = 2
RIGHTS = {"NONE": 0, "READ": READ, "WRITE": READ | WRITE}

_TOKEN = re.compile(r'(?P<space>\s+|\#[^\n]*)|(?P<quoted>"[^"\n]*")|(?P<word>[A-Za-z0-9_\-+:./\[\]<>;@]+)|(?P<punct>[(){},])')


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of an access group."""

    level: int
    rights: int
    users: frozenset[str] | None = None
    """Users it holds for, ``None`` for all."""
    hosts: frozenset[str] | None = None
    """Hosts it holds for, in lower case, ``None`` for all."""
    trap_writes: bool = False
    """Puts that it allows are logged."""

    def fits(self, level: int, user: str, host: str) -> bool:
        """Whether it holds for a field of ``level`` and this client."""
        return (
            level <= self.level
            and (self.users is None or user in self.users)
            and (self.hosts is None or host.lower() in self.hosts)
        )


@dataclass(frozen=True, slots=True)
class AccessSecurity:
    """Rules of each access group."""

    groups: dict[str, tuple[Rule, ...]] = field(default_factory=lambda: {"DEFAULT": (Rule(1, READ | WRITE),)})

    def rights(self, group: str, level: int, user: str, host: str) -> int:
        """Rights of a client on fields of ``level`` of records in ``group``: ``READ`` and ``WRITE`` bits."""
        rule = self._rule(group, level, user, host)
        return 0 if rule is None else rule.rights

    def traps_writes(self, group: str, level: int, user: str, host: str) -> bool:
        """Whether puts of a client to such fields are to be logged: what gives it its rights says so (``asTrapWrite``)."""
        rule = self._rule(group, level, user, host)
        return rule is not None and rule.trap_writes

    def _rule(self, group: str, level: int, user: str, host: str) -> Rule | None:
        """The first of the most generous rules that fit."""
        found: Rule | None = None
        for rule in self.groups[group if group in self.groups else "DEFAULT"]:
            if rule.fits(level, user, host) and (found is None or rule.rights > found.rights):
                found = rule
        return found


class _Parser:
    """Words of one file with a cursor."""

    def __init__(self, text: str, file: Path) -> None:
        self._file = file
        self._tokens: list[tuple[str, int]] = []
        self._index = 0
        position, line = 0, 1
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None:
                raise BadInput(f"unexpected {text[position]!r}", file=file, line=line)
            if match.lastgroup != "space":
                self._tokens.append((match.group().strip('"'), line))
            line += match.group().count("\n")
            position = match.end()
        self._tokens.append(("", line))

    @property
    def at_end(self) -> bool:
        return self._index == len(self._tokens) - 1

    def bad(self, message: str) -> BadInput:
        return BadInput(message, file=self._file, line=self._tokens[self._index][1])

    def take(self, *expected: str) -> str:
        word = self._tokens[self._index][0]
        if expected and word not in expected:
            wanted = " or ".join(text if text.isalnum() else f"'{text}'" for text in expected)
            raise self.bad(f"expected {wanted}, found {word or 'end of file'}")
        self._index += 1
        return word

    def skip(self, word: str) -> bool:
        if self._tokens[self._index][0] != word:
            return False
        self._index += 1
        return True

    def name(self, what: str) -> str:
        word = self._tokens[self._index][0]
        if not word or word in "(){},":
            raise self.bad(f"expected {what}, found {word or 'end of file'}")
        return self.take()

    def names(self, opening: str, closing: str, what: str) -> list[str]:
        """A list such as ``{a, b}``."""
        self.take(opening)
        found: list[str] = []
        while not self.skip(closing):
            if found:
                self.take(",")
            found.append(self.name(what))
        return found


def load_access_security(path: Path) -> AccessSecurity:
    """The rules in an access security file.

    Raises:
        BadInput: not readable, or anything but ``UAG``, ``HAG``, ``ASG`` and plain ``RULE``, with file and line.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as err:
        reason = err.strerror if isinstance(err, OSError) else "it is not UTF-8"
        raise BadInput(f"cannot be read: {reason}", file=path) from err
    parser = _Parser(text, path)
    lists: dict[str, dict[str, frozenset[str]]] = {"UAG": {}, "HAG": {}}
    groups: dict[str, tuple[Rule, ...]] = {"DEFAULT": ()}
    seen: set[tuple[str, str]] = set()
    while not parser.at_end:
        kind = parser.take("UAG", "HAG", "ASG")
        parser.take("(")
        name = parser.name(f"the name of the {kind}")
        if (kind, name) in seen:
            raise parser.bad(f"{kind}({name}) is defined twice")
        seen.add((kind, name))
        parser.take(")")
        if kind == "ASG":
            groups[name] = _rules(parser, lists)
        else:
            members = parser.names("{", "}", "a user" if kind == "UAG" else "a host")
            lists[kind][name] = frozenset(members if kind == "UAG" else map(str.lower, members))
    return AccessSecurity(groups)


def _rules(parser: _Parser, lists: dict[str, dict[str, frozenset[str]]]) -> tuple[Rule, ...]:
    rules: list[Rule] = []
    if not parser.skip("{"):
        return ()
    while not parser.skip("}"):
        parser.take("RULE")
        parser.take("(")
        level = int(parser.take("0", "1"))
        parser.take(",")
        rights = RIGHTS[parser.take(*RIGHTS)]
        trap_writes = parser.skip(",") and parser.take("TRAPWRITE", "NOTRAPWRITE") == "TRAPWRITE"
        parser.take(")")
        rules.append(replace(_conditions(parser, level, rights, lists), trap_writes=trap_writes))
    return tuple(rules)


def _conditions(parser: _Parser, level: int, rights: int, lists: dict[str, dict[str, frozenset[str]]]) -> Rule:
    who: dict[str, frozenset[str] | None] = {"UAG": None, "HAG": None}
    if parser.skip("{"):
        while not parser.skip("}"):
            kind = parser.take("UAG", "HAG")
            members: set[str] = set(who[kind] or ())
            for name in parser.names("(", ")", f"the name of a {kind}"):
                if name not in lists[kind]:
                    raise parser.bad(f"{kind}({name}) is not defined above")
                members |= lists[kind][name]
            who[kind] = frozenset(members)
    return Rule(level, rights, who["UAG"], who["HAG"])
