"""Finding plugins without running any: in the site folder, among installed packages, among those that come with the program."""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path

from agents.problem import Problem
from sipmdcs.installed import installed
from sipmdcs.site import Site

GROUP = "sipmdcs.agents"
"""Entry points of other packages: name of the agent, and its module."""
FOLDER = "agents"
"""Folder of plugins below the site folder."""
LONGEST_NAME = 16
LARGEST_BYTES = 1_000_000

_NAME = re.compile(rf"[a-z][a-z0-9_]{{0,{LONGEST_NAME - 1}}}")


@dataclass(frozen=True)
class Found:
    """One plugin file, read and not run."""

    name: str
    """Name of the agent: of its file, without ``.py``."""
    path: Path
    source: str = ""
    helpers: str = ""
    """Text of the modules beside it that it may import."""
    problem: Problem | None = None
    """Why it cannot be an agent, as far as can be told without running it."""

    @property
    def pv(self) -> str:
        """The agent's part of its PV names."""
        return self.name.upper()

    @cached_property
    def version(self) -> str:
        """Changes with the text of the file and of the modules that it uses."""
        return hashlib.sha256((self.source + self.helpers).encode()).hexdigest()[:12]


def find_plugins(site: Site) -> dict[str, Found]:
    """Every plugin of a site by name, in alphabetical order; two files of one name are one entry with a problem."""
    found: dict[str, Found] = {}
    helpers = _helpers(site)
    for name, path in _places(site):
        if name not in found:
            found[name] = _read(name, path, helpers)
        elif found[name].path != path:
            text = f"there is another agent {name}: {path}; rename one of them"
            found[name] = Found(name, found[name].path, problem=Problem(text, str(found[name].path)))
    return dict(sorted(found.items()))


def is_agent_name(text: str) -> bool:
    """Whether a plugin may be called so."""
    return _NAME.fullmatch(text) is not None


def misnamed(site: Site) -> list[Problem]:
    """Files of the site's agent folder that cannot become an agent because of their name."""
    text = f"is no name for an agent, expected a-z, 0-9 and _, {LONGEST_NAME} at most; a leading _ marks a module that is none"
    return [
        Problem(f"{path.stem} {text}", str(path)) for path in _files(site.folder / FOLDER) if not _NAME.fullmatch(path.stem)
    ]


def _places(site: Site) -> Iterator[tuple[str, Path]]:
    for path in _files(site.folder / FOLDER):
        if _NAME.fullmatch(path.stem):
            yield path.stem, path
    for point in sorted(installed(GROUP), key=lambda point: point.name):
        if _NAME.fullmatch(point.name):
            yield point.name, _module_file(point.module)
    for path in _files(Path(str(files("agents.shipped")))):
        yield path.stem, path


def _files(folder: Path) -> list[Path]:
    """Plugin files of a folder; those that start with an underscore are modules for the others."""
    return sorted(path for path in folder.glob("*.py") if not path.name.startswith("_"))


def _helpers(site: Site) -> dict[str, str]:
    """Texts of the modules for plugins by name; one that cannot be read fails where it is imported."""
    return {
        path.stem: path.read_text("utf-8", errors="replace")
        for path in sorted((site.folder / FOLDER).glob("_*.py"))
        if os.access(path, os.R_OK) and path.is_file()
    }


def _module_file(module: str) -> Path:
    """File of a module that is not imported, because importing may do anything."""
    relative = Path(*module.split(".")).with_suffix(".py")
    for folder in map(Path, sys.path):
        if (folder / relative).is_file():
            return folder / relative
    return relative


def _read(name: str, path: Path, helpers: Mapping[str, str]) -> Found:
    try:
        if path.stat().st_size > LARGEST_BYTES:
            return Found(name, path, problem=Problem(f"has more than {LARGEST_BYTES} bytes", str(path)))
        source = path.read_text("utf-8")
        used = any(helper in source for helper in helpers)  # those may use each other
        return Found(name, path, source, "".join(helpers.values()) if used else "")
    except UnicodeDecodeError as err:
        line = err.object[: err.start].count(b"\n") + 1
        return Found(name, path, problem=Problem(f"byte 0x{err.object[err.start]:02x} is not UTF-8", str(path), line))
    except OSError as err:
        return Found(name, path, problem=Problem(f"cannot be read: {err.strerror}", str(path)))
