"""A complete set of settings, as one immutable value with a content hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from configtool.formula import Formula, parse_formula
from configtool.layers import ChannelId, Layer, Place, parse_channel

CONTENT_SCHEMA = 1
"""Goes into every hash: raised when the canonical form changes."""

Key = tuple[Place, str]
"""Where, and which parameter."""


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between two sets of settings; ``None`` where there is nothing."""

    place: Place
    parameter: str
    before: Formula | None
    after: Formula | None


class Settings(Mapping[Key, Formula]):
    """Formulas by place and parameter. Two of them are equal exactly when their hashes are."""

    def __init__(self, entries: Iterable[tuple[Key, Formula]] = ()) -> None:
        self._entries: dict[Key, Formula] = dict(sorted(entries, key=lambda entry: entry[0]))
        self._by_place: dict[Place, dict[str, tuple[Place, Formula]]] = {}
        for (place, parameter), formula in self._entries.items():
            self._by_place.setdefault(place, {})[parameter] = (place, formula)

    def __getitem__(self, key: Key) -> Formula:
        return self._entries[key]

    def __iter__(self) -> Iterator[Key]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __hash__(self) -> int:
        return hash(self.content_hash)

    def __eq__(self, other: object) -> bool:
        return self.canonical_json() == other.canonical_json() if isinstance(other, Settings) else NotImplemented

    def at(self, place: Place) -> Mapping[str, tuple[Place, Formula]]:
        """What one place says, by parameter."""
        return self._by_place.get(place, {})

    @property
    def channels(self) -> tuple[ChannelId, ...]:
        """Channels that have an entry of their own, in order."""
        return tuple(sorted({parse_channel(place.target) for place, _ in self if place.layer is Layer.CHANNEL}))

    def canonical_json(self) -> str:
        """The content as text: sorted, no blanks, ASCII.

        Numbers have the one spelling of ``quantity.spell``: 5, 5.0 and 5.00 are one value, negative zero is zero, and NaN or
        infinity cannot occur.
        """
        rows = [[int(place.layer), place.target, parameter, str(formula)] for (place, parameter), formula in self.items()]
        return json.dumps(
            {"schema": CONTENT_SCHEMA, "settings": rows}, sort_keys=True, separators=(",", ":"), ensure_ascii=True
        )

    @property
    def content_hash(self) -> str:
        """SHA-256 of the canonical JSON, 64 hexadecimal digits."""
        return hashlib.sha256(self.canonical_json().encode("ascii")).hexdigest()


def from_rows(rows: Iterable[tuple[int, str, str, str]]) -> Settings:
    """Settings from stored rows of layer, target, parameter and formula text."""
    return Settings(((Place(Layer(layer), target), name), parse_formula(text)) for layer, target, name, text in rows)


def changes(before: Settings, after: Settings) -> list[Change]:
    """What differs, in the order of places."""
    keys = sorted({*before, *after})
    return [Change(*key, before.get(key), after.get(key)) for key in keys if before.get(key) != after.get(key)]
