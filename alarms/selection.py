"""How people say which alarms they mean: a path in the tree, a PV name, or a pattern of either."""

from __future__ import annotations

from collections.abc import Container, Iterable

from alarms.tree import Leaf, NodePath, Tree
from sipmdcs.errors import BadInput
from sipmdcs.patterns import fits

_SPECIAL = frozenset("*?[")
"""A part of a pattern without any of these is a name."""

_MAX_PATTERNS = 100


def path_matches(pattern: str, path: NodePath) -> bool:
    """Whether a path is at or below what ``pattern`` names; ``*``, ``?`` and ``[…]`` match within one part.

    ``PVETO`` is everything below that area, ``*/HV13`` that controller in any area, ``/`` everything.
    """
    parts = [part for part in pattern.split("/") if part]
    return len(parts) <= len(path) and all(matches(have, want) for have, want in zip(path, parts, strict=False))


def matching_nodes(tree: Tree, pattern: str) -> list[NodePath]:
    """The nodes of a tree that ``pattern`` names itself; it is walked down, so it costs what it finds."""
    found: list[NodePath] = [()]
    for part in (part for part in pattern.split("/") if part):
        if _SPECIAL.isdisjoint(part):
            found = [child for node in found if (child := (*node, part)) in tree.nodes]
        else:
            found = [child for node in found for child in tree.children[node] if matches(child[-1], part)]
    return found


def matches(name: str, pattern: str) -> bool:
    """Whether a name is, or fits, a pattern; a name may hold what is special in a pattern."""
    return name == pattern or fits(name, pattern)


def select(tree: Tree, words: Iterable[str]) -> list[Leaf]:
    """The leaves that are meant by any of ``words``, each once, in tree order.

    A pattern looks at every PV, so there may be a hundred of them; of paths and names as many as anybody likes.

    Raises:
        BadInput: a word names nothing in the tree, or there are too many patterns.
    """
    words = list(dict.fromkeys(words))
    patterns = [word for word in words if not _SPECIAL.isdisjoint(word)]
    if len(patterns) > _MAX_PATTERNS:
        raise BadInput(f"{len(patterns)} patterns, expected {_MAX_PATTERNS} at most")
    pvs: set[str] = set()
    nodes: set[NodePath] = set()
    for word in words:
        named = [word] if word in tree.leaves else []
        if word in patterns:
            named += [pv for pv in tree.leaves if fits(pv, word)]
        at = matching_nodes(tree, word) if word.strip() else []
        if not named and not at:
            raise BadInput(f"{word!r} is no path, PV or pattern of one in the alarm tree")
        pvs.update(named)
        nodes.update(at)
    return [leaf for leaf in tree.leaves.values() if leaf.pv in pvs or _is_at(leaf.path, nodes)]


def _is_at(path: NodePath, nodes: Container[NodePath]) -> bool:
    return any(path[:depth] in nodes for depth in range(len(path) + 1))
