"""From topology and settings to the ``.substitutions`` files that IOCs boot from."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from configtool.content import Content
from configtool.layers import ChannelId
from configtool.quantity import spell
from configtool.resolution import Installed
from sipmdcs.durable import make_folder, sync_folder, write_synced
from sipmdcs.epicsdb import load_substitutions, quote
from sipmdcs.errors import ServiceError
from sipmdcs.site import Site

_MARK = "# Rendered by: sipmdcs config render."
_DEFAULTS = "no table imported, defaults of the templates"
SUFFIX = ".substitutions"


@dataclass(frozen=True, slots=True)
class Rendered:
    """One file."""

    path: Path
    changed: bool
    records: int


def render_site(site: Site, installed: Mapping[str, Installed], content: Content) -> list[Rendered]:
    """Write the file of every IOC, each checked by loading it before it replaces the old one.

    Nothing is replaced if one is wrong. Files of IOCs that the site no longer has are removed.

    Raises:
        BadInput: a template is missing or does not fit.
        ServiceError: a file cannot be written, or the database has lost the settings that the old ones were made from.
    """
    by_name = {controller.name: controller for controller in installed.values()}
    out: list[Rendered] = []
    drafts: list[tuple[Path, Path]] = []
    try:
        make_folder(site.rendered)
        for ioc, entry in site.file.iocs.items():
            path = site.rendered / f"{ioc}{SUFFIX}"
            text = substitutions(ioc, [by_name[name] for name in entry.controllers], content)
            draft = path.with_name(f".{path.name}.{os.getpid()}")
            drafts.append((draft, path))
            if content.version is None and _is_from_a_version(path):
                message = f"{path} holds settings but the database none; it is kept"
                raise ServiceError(f"{message}: restore the database, import the table again, or remove the file")
            write_synced(draft, text)
            records = len(load_substitutions(draft, site.template_path))
            out.append(Rendered(path, not path.is_file() or path.read_bytes() != text.encode(), records))
        for (draft, path), rendered in zip(drafts, out, strict=True):
            if rendered.changed:
                draft.replace(path)
        _remove_strays(site)
        sync_folder(site.rendered)
    except OSError as err:
        raise ServiceError(f"{err.filename or site.rendered}: cannot be written: {err.strerror}") from err
    finally:
        for draft, _ in drafts:
            draft.unlink(missing_ok=True)
    return out


def _is_from_a_version(path: Path) -> bool:
    if not path.is_file():
        return False
    head = path.read_text("utf-8", "replace").splitlines()[:2]
    return len(head) == 2 and head[0].startswith(_MARK) and not head[1].endswith(_DEFAULTS)


def _remove_strays(site: Site) -> None:
    for path in site.rendered.glob(f"*{SUFFIX}"):
        if path.name.removesuffix(SUFFIX) not in site.file.iocs and path.read_text("utf-8", "replace").startswith(_MARK):
            path.unlink()


def substitutions(ioc: str, controllers: Sequence[Installed], content: Content) -> str:
    """Text of the file for one IOC."""
    origin = _DEFAULTS
    if content.version is not None:
        origin = f"version {content.version.number}, sha256 {content.version.content_hash}"
    lines = [f"{_MARK} Do not edit, the next one replaces it.", f"# IOC {ioc}: {origin}", ""]
    for controller in controllers:
        own = _controller_macros(controller)
        for template in controller.type.controller_templates:
            lines += _block(template, [own])
        channels = [own | macros for macros in _channel_macros(controller, content)]
        for template in controller.type.channel_templates:
            for group in _alike(channels):
                lines += _block(template, group)
    return "\n".join(lines)


def _controller_macros(controller: Installed) -> dict[str, str]:
    return dict(controller.type.macros) | {
        "P": controller.prefix,
        "PORT": controller.name,
        "SUB": controller.subsystem,
        "NAME": controller.name,
        "NCH": str(controller.type.channels),
        "BIAS_MIN": f"{controller.type.bias_min_V:g}",
        "BIAS_MAX": f"{controller.type.bias_max_V:g}",
        "POLL": f"{controller.poll_s:g}",
    }


def _channel_macros(controller: Installed, content: Content) -> Iterator[dict[str, str]]:
    for number in range(1, controller.type.channels + 1):
        channel = ChannelId(controller.id, number)
        macros = {"R": f"CH{number:02d}", "ADDR": str(number)}
        if channel in content.sensors:
            macros["SENSOR"] = content.sensors[channel]
        for name, found in content.values.get(channel, {}).items():
            if macro := content.parameters[name].macro:
                macros[macro] = spell(found.value)
        yield macros


def _alike(rows: list[dict[str, str]]) -> Iterator[list[dict[str, str]]]:
    """Runs of rows that set the same macros."""
    group: list[dict[str, str]] = []
    for row in rows:
        if group and row.keys() != group[0].keys():
            yield group
            group = []
        group.append(row)
    if group:
        yield group


def _block(template: str, rows: list[dict[str, str]]) -> list[str]:
    names = list(rows[0])
    table = [f"    {{{', '.join(quote(row[name]) for name in names)}}}" for row in rows]
    return [f"file {quote(template)} {{", f"    pattern {{{', '.join(names)}}}", *table, "}", ""]
