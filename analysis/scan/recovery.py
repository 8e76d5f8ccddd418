"""Whatever is not back yet: attempt after attempt, remembered on the disk and in words."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from analysis.scan.operating_point import OperatingPoint, OperatingPointFile
from analysis.scan.restoration import Report, Restoration
from analysis.scan.trouble import TakenOver
from sipmdcs.channels import Channels

_log = logging.getLogger(__name__)


class Recovery:
    """Owner of the operating-point file. Methods block; any thread may call them.

    Args:
        channels: Channel Access.
        path: of the file.
    """

    def __init__(self, channels: Channels, path: Path) -> None:
        self.pending: dict[str, str] = {}
        """What was not back after the last attempt, and why."""
        self._channels = channels
        self._file = OperatingPointFile(path)
        self._one_at_a_time = threading.Lock()

    def note(self, point: OperatingPoint) -> None:
        """Keep what a scan is about to change.

        Raises:
            ServiceError: the disk does not take it.
        """
        self._file.save(point)

    def waiting(self) -> OperatingPoint | None:
        """What is to be put back, ``None`` if nothing.

        Raises:
            BadInput: the file makes no sense.
        """
        return self._file.load()

    def attempt(self, left: Mapping[str, TakenOver]) -> Report:
        """Put back what can be.

        Args:
            left: channels that another client has set, which are left to it, and what it did.

        Raises:
            BadInput: the file makes no sense.
            ServiceError: the disk does not take what is left to do.
        """
        with self._one_at_a_time:
            point = self._file.load()
            if point is None:
                self.pending = {}
                return Report()
            report = Restoration(self._channels, point, left).attempt()
            after = point.without({*report.restored, *report.left}).parked(report.parked)
            if after != point:
                self._file.save(after)
            self._tell(report)
            self.pending = dict(report.pending)
            return report

    def give_up(self) -> None:
        """Forget what is not back.

        Raises:
            ServiceError: the disk does not take that.
        """
        with self._one_at_a_time:
            point = self._file.load()
            if point is not None:
                for name, reason in self.pending.items():
                    _log.warning("given up: %s %s", name, reason)
                self._file.save(replace(point, channels={}, polls={}))
            self.pending = {}

    def _tell(self, report: Report) -> None:
        for name, reason in report.left.items():
            _log.warning("%s %s", name, reason)
        for name, reason in report.pending.items():
            if self.pending.get(name) != reason:
                _log.warning("not restored: %s %s", name, reason)
