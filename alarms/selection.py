"""How people say which alarms they mean: a path in the tree, a PV name, or a pattern of either."""

from __future__ import annotations

from alarms.tree import Leaf, NodePath, Tree
from sipmdcs.errors import BadInput
from sipmdcs.patterns import fits

_SPECIAL = frozenset("*?[")
"""A part of a pattern without any of these is a name."""


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


def select(tree: Tree, words: list[str]) -> list[Leaf]:
    """The leaves that are meant by any of ``words``, each once, in tree order.

    Raises:
        BadInput: a word names nothing in the tree.
    """
    meant: set[str] = set()
    for word in words:
        found = [leaf.pv for leaf in tree.leaves.values() if matches(leaf.pv, word) or path_matches(word, leaf.path)]
        if not found or not word.strip():
            raise BadInput(f"{word!r} is no path, PV or pattern of one in the alarm tree")
        meant.update(found)
    return [leaf for leaf in tree.leaves.values() if leaf.pv in meant]
