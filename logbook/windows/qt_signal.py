"""Qt's signals through qtpy, which does not declare them as its own to type checkers."""

from __future__ import annotations

from typing import Any

from qtpy import QtCore

Signal: Any = QtCore.Signal  # pyright: ignore[reportPrivateImportUsage]
