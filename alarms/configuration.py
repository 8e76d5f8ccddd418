"""From records and ``alarms.yaml`` to the alarm tree."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path

from alarms.alarmsfile import ALARMS_FILE, AlarmsFile, ExtraEntry, PvEntry
from alarms.state import Rules
from alarms.text import one_line, some_lines
from alarms.tree import Leaf, Node, NodePath, Tree, grow, path_text
from sipmdcs.epicsdb import Record
from sipmdcs.pvinfo import AlarmInfo, alarm_info
from sipmdcs.site import Site
from sipmdcs.yamlfile import bad_key, read_yaml

_MAX_DESCRIPTION = 200
_MAX_GUIDANCE = 5_000

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Configuration:
    """What the alarm service is to watch."""

    file: AlarmsFile
    tree: Tree


def load_configuration(site: Site) -> Configuration:
    """The alarm configuration of a site: ``info(alarm, …)`` of every record, refined by ``alarms.yaml`` where there is one.

    Raises:
        BadInput: a record or an entry that cannot be used, with file, line and key.
    """
    return configure((record for _, record in site.all_records()), site.folder / ALARMS_FILE)


def configure(records: Iterable[Record], path: Path) -> Configuration:
    """As ``load_configuration``, from records and the place of ``alarms.yaml``, which need not exist."""
    file = read_yaml(path, AlarmsFile) if path.is_file() else AlarmsFile()
    leaves = _leaves_of_records(records, file)
    for pv, entry in file.extra.items():
        if pv in leaves:
            raise bad_key(path, ("extra", pv), "is in the tree already through info(alarm); refine it under pvs")
        leaf = Leaf(pv, _place(entry.path))
        leaves[pv] = _refined(leaf, entry, file, path, ("extra", pv))
    for pattern, entry in file.pvs.items():
        matching = [pv for pv in leaves if fnmatchcase(pv, pattern)]
        if not matching:
            raise bad_key(path, ("pvs", pattern), "no PV in the alarm tree has this name or matches this pattern")
        for pv in matching:
            leaves[pv] = _refined(leaves[pv], entry, file, path, ("pvs", pattern))
    nodes = {
        tuple(text.split("/")): Node(
            tuple(text.split("/")),
            one_line(entry.description, _MAX_DESCRIPTION),
            _text(entry.guidance, file, path, ("nodes", text)),
        )
        for text, entry in file.nodes.items()
    }
    tree = grow(sorted(leaves.values(), key=lambda leaf: (leaf.path, leaf.pv)), nodes)
    for node in nodes:
        if node not in tree.nodes:
            raise bad_key(path, ("nodes", path_text(node)), "no PV in the alarm tree is below this path")
    return Configuration(file.model_copy(update={"pvs": {}, "extra": {}}), tree)  # which the tree has, in a tenth of the memory


@lru_cache(maxsize=4096)  # PVs hang in bunches
def _place(path: str) -> NodePath:
    return tuple(path.split("/"))


def _leaves_of_records(records: Iterable[Record], file: AlarmsFile) -> dict[str, Leaf]:
    leaves: dict[str, Leaf] = {}
    unwritten: set[str] = set()
    for record in records:
        info = alarm_info(record)
        if info is None:
            continue
        if not all(map(str.isprintable, info.path)):
            raise record.bad("info(alarm)", f"{'/'.join(info.path)!r} is not a path of printable characters")
        if info.count and not info.delay_s:
            raise record.bad("info(alarm)", f"count={info.count} means nothing without delay")
        if info.guidance and info.guidance not in file.guidance:
            unwritten.add(info.guidance)
        leaves[record.name] = _leaf(record, info, file)
    if unwritten:  # no reason to leave a detector without alarms
        _log.warning("%s has no guidance text for: %s", ALARMS_FILE, ", ".join(sorted(unwritten)))
    return leaves


def _leaf(record: Record, info: AlarmInfo, file: AlarmsFile) -> Leaf:
    rules = Rules(info.latching, info.annunciating, info.delay_s, info.count)
    guidance = _clean(file.guidance.get(info.guidance, ""))
    return Leaf(
        record.name, info.path, one_line(record.fields.get("DESC", ""), _MAX_DESCRIPTION), rules, guidance, mask=info.mask
    )


def _refined(leaf: Leaf, entry: PvEntry | ExtraEntry, file: AlarmsFile, path: Path, key: NodePath) -> Leaf:
    if entry.model_fields_set <= {"path"}:
        return leaf
    said = entry.model_dump(exclude_none=True, exclude={"path", "description", "enabled", "guidance", "mask"})
    rules = replace(leaf.rules, **said) if said else leaf.rules
    if rules.count and not rules.delay_s:
        raise bad_key(path, key, f"count {rules.count} means nothing without delay_s")
    return replace(
        leaf,
        rules=rules,
        description=leaf.description if entry.description is None else one_line(entry.description, _MAX_DESCRIPTION),
        enabled=leaf.enabled if entry.enabled is None else entry.enabled,
        mask=leaf.mask if entry.mask is None else entry.mask,
        guidance=leaf.guidance if entry.guidance is None else _text(entry.guidance, file, path, key),
    )


def _text(guidance: str, file: AlarmsFile, path: Path, key: NodePath) -> str:
    if guidance and guidance not in file.guidance:
        known = ", ".join(sorted(file.guidance)) or "none"
        raise bad_key(path, (*key, "guidance"), f"{guidance} is no key of guidance, which has {known}")
    return _clean(file.guidance.get(guidance, ""))


@lru_cache(256)  # many leaves, few texts
def _clean(guidance: str) -> str:
    return some_lines(guidance, _MAX_GUIDANCE)
