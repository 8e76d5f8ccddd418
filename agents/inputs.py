"""From the names and patterns of a declaration to the PVs and keys of this site, and from those to what a run works on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from agents.declaration import Declaration, InputGroup
from sipmdcs.macros import expand_macros


@dataclass(frozen=True)
class Wiring:
    """The inputs of one agent."""

    groups: Mapping[str, tuple[str, ...]]
    """Names by group."""
    cached: frozenset[str]
    """Groups that are read from the hot cache."""

    @property
    def pvs(self) -> set[str]:
        """What is read over Channel Access."""
        return {name for group, names in self.groups.items() if group not in self.cached for name in names}

    @property
    def keys(self) -> set[str]:
        """What is read from the hot cache."""
        return {name for group in self.cached for name in self.groups[group]}


def wire(declaration: Declaration, prefix: str, own: str, known: Callable[[], Sequence[str]]) -> Wiring:
    """The inputs of an agent at a site.

    Args:
        declaration: of the plugin.
        prefix: of the site, for ``$(DET)``.
        own: prefix of the agent's own PVs, which no pattern matches.
        known: gives the names of all records of the site; asked only if there is a pattern.

    Raises:
        BadInput: a macro that is not ``$(DET)``.
    """
    groups: dict[str, tuple[str, ...]] = {}
    for name, group in declaration.inputs.items():
        groups[name] = tuple(dict.fromkeys(_names(group, prefix, own, known)))
    return Wiring(groups, frozenset(name for name, group in declaration.inputs.items() if group.cached))


def _names(group: InputGroup, prefix: str, own: str, known: Callable[[], Sequence[str]]) -> Iterable[str]:
    for text in group.names:
        pattern = expand_macros(text.strip(), {"DET": prefix})
        if not _is_pattern(pattern):
            yield pattern
            continue
        for name in known():
            if fnmatchcase(name, pattern) and not name.startswith(f"{own}:"):
                yield name


def any_matches(declaration: Declaration, prefix: str, names: Iterable[str]) -> bool:
    """Whether a pattern of ``declaration`` matches one of ``names``."""
    texts = [text.strip() for group in declaration.inputs.values() for text in group.names]
    patterns = [expand_macros(text, {"DET": prefix}) for text in texts if _is_pattern(text)]
    return bool(patterns) and any(fnmatchcase(name, pattern) for name in names for pattern in patterns)


def _is_pattern(text: str) -> bool:
    return bool(set(text) & set("*?["))


def lacking(require: str, groups: Mapping[str, Sequence[str]], invalid: Callable[[str], Sequence[int]]) -> str:
    """Which inputs an agent lacks to run, in words; empty if none.

    Args:
        require: ``any``, ``all`` or ``none``.
        groups: names by group.
        invalid: the numbers of those of a group that cannot be used.
    """
    for group, names in groups.items() if require != "none" else ():
        bad = invalid(group)
        if require == "all" and bad:
            first = names[bad[0]]
            return f"{first} is INVALID" if len(bad) == 1 else f"{len(bad)} of {group} are INVALID: {first}, …"
        if require == "any" and len(bad) == len(names):
            return f"all of {group} are INVALID" if names else f"no PV in {group}"
    return ""
