"""Plugins that hung while they were loaded: remembered on the disk, so that only the host waits for them again.

Archiver, alarms and screens ask every plugin for its outputs when they start; one that hangs would cost each of them the whole
time-out, every time.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path

from agents.discovery import Found
from sipmdcs.site import Site

_log = logging.getLogger(__name__)


def memory_path(site: Site) -> Path:
    """The file: versions of plugins that hung, by name of the agent."""
    return site.var / "agents" / "hanging.json"


class HangingMemory:
    """What is in the file; one that cannot be read or written costs time and nothing else.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            known = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError):
            known = {}
        self._versions: dict[str, str] = known if isinstance(known, dict) else {}

    def hung(self, plugin: Found) -> bool:
        """Whether this text of the plugin hung when it was loaded last."""
        return self._versions.get(plugin.name) == plugin.version

    def update(self, asked: Mapping[str, str | None]) -> None:
        """Keep how it went.

        Args:
            asked: version by agent for those that hung, ``None`` for those that did not.
        """
        after = {name: version for name, version in {**self._versions, **asked}.items() if version is not None}
        if after == self._versions:
            return
        self._versions = after
        fresh = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            fresh.write_text(json.dumps(after), "utf-8")
            fresh.replace(self._path)
        except OSError as err:
            _log.info("%s is not written: %s", self._path, err.strerror)
