"""Work on the database beside the window, which stays alive meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QObject, QThread

from logbook.windows.qt_signal import Signal
from sipmdcs.errors import DcsError


class _Work(QThread):
    def __init__(self, work: Callable[[], Any], parent: QObject) -> None:
        super().__init__(parent)
        self._work = work
        self.result: Any = None
        self.problem: Exception | None = None

    def run(self) -> None:
        try:
            self.result = self._work()
        except Exception as err:  # noqa: BLE001 - raised again in the window's thread, if nobody there expects it
            self.problem = err


class Background(QObject):
    """One piece of work at a time; its end comes back as a call in the thread of the window."""

    changed = Signal(bool)
    """Whether it works."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._work: _Work | None = None
        self._done: Callable[[Any], None] | None = None
        self._failed: Callable[[DcsError], None] | None = None

    @property
    def busy(self) -> bool:
        """It works."""
        return self._work is not None

    def start(self, work: Callable[[], Any], done: Callable[[Any], None], failed: Callable[[DcsError], None]) -> bool:
        """Begin; False if there is work already.

        Args:
            work: runs beside the window.
            done: is given its result.
            failed: is given the error that it raised.
        """
        if self._work is not None:
            return False
        self._work = _Work(work, self)
        self._done = done
        self._failed = failed
        self._work.finished.connect(self._end)
        self._work.start()
        self.changed.emit(True)
        return True

    def wait(self) -> None:
        """Until it is done; its end is forgotten. For a window that closes."""
        if self._work is not None:
            self._work.finished.disconnect(self._end)
            self._work.wait()
            self._work = None

    def _end(self) -> None:
        work, done, failed = self._work, self._done, self._failed
        if work is None or done is None or failed is None:
            return
        self._work = None
        work.wait()
        work.deleteLater()
        self.changed.emit(False)
        if work.problem is None:
            done(work.result)
        elif isinstance(work.problem, DcsError):
            failed(work.problem)
        else:
            raise work.problem
