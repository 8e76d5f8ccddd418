"""Values that survive a restart: fields named in ``info(autosaveFields, …)``, in one text file.

    # sipmdcs autosave, 2026-11-03T10:15:00Z
    PVETO:HV:CTRL13:CH01:BIAS.VAL 54.125
    PVETO:HV:CTRL13:CH01:LABEL.VAL "north wall"
    <END>

Values are JSON. A file without its last line was cut off and is not used; then the one before it is, which is kept under
the same name with ``.old`` at the end. Restoring sets fields; it writes nothing to a device.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import threading
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from iocs.records.fields import Field
from iocs.records.put import convert
from iocs.records.record import LiveRecord
from iocs.records.waveform import WaveformRecord
from sipmdcs.durable import make_folder, rename_synced, write_synced
from sipmdcs.errors import BadInput

logger = logging.getLogger(__name__)

END = "<END>"
PERIOD_S = 0.8
"""Seconds at most between a change and the begin of its save; leaves time to write within a second."""


def format_values(values: Iterable[tuple[str, Any]], now: datetime) -> str:
    """Text of a save file: one line per value, by ``NAME.FIELD``."""
    lines = [f"# sipmdcs autosave, {now:%Y-%m-%dT%H:%M:%SZ}"]
    lines += [f"{name} {json.dumps(value)}" for name, value in values]
    return "\n".join([*lines, END, ""])


def parse_values(text: str, file: Path) -> dict[str, Any]:
    """Values of a save file by ``NAME.FIELD``.

    Raises:
        BadInput: it is cut off or not of this form.
    """
    lines = text.splitlines()
    if not lines or lines[-1] != END:
        raise BadInput(f"is cut off, the last line is not {END}", file=file)
    values: dict[str, Any] = {}
    for number, line in enumerate(lines[:-1], start=1):
        if line.startswith("#") or not line.strip():
            continue
        name, _, value = line.partition(" ")
        try:
            values[name] = json.loads(value)
        except ValueError as err:
            raise BadInput(f"{value!r} is not a value", file=file, line=number, key=name) from err
    return values


class Autosave:
    """Saves and restores fields of ``records``.

    Args:
        path: the file; its folder is made.
        records: each once.
    """

    def __init__(self, path: Path, records: Iterable[LiveRecord]) -> None:
        self._path = path
        self._old = path.with_name(path.name + ".old")
        self._saved: dict[str, Any] | None = None
        self._touched = asyncio.Event()
        self._lock = threading.Lock()
        self._fields: dict[str, tuple[LiveRecord, Field]] = {
            f"{record.name}.{name}": (record, record.FIELDS[name]) for record in records for name in record.autosave
        }

    def touch(self) -> None:
        """Something may have changed."""
        self._touched.set()

    def restore(self) -> list[LiveRecord]:
        """Set fields to what was saved.

        Returns:
            Records whose value was restored.
        """
        values = self._read()
        restored: dict[LiveRecord, bool] = {}
        for name, value in values.items():
            if name not in self._fields:
                continue
            record, field = self._fields[name]
            try:
                _set(record, field, value)
            except (ValueError, TypeError) as err:
                logger.warning("%s: %s not restored: %s", self._path, name, err)
                continue
            restored[record] = restored.get(record, False) or field.name == "VAL"
        for record, has_value in restored.items():
            if has_value:
                record.udf = 0
                record.sevr = 0
            record.initialize()
        self._saved = values or None
        return [record for record, has_value in restored.items() if has_value]

    def _read(self) -> dict[str, Any]:
        for path in (self._path, self._old):
            try:
                values = parse_values(path.read_text("utf-8"), path)
            except FileNotFoundError:
                continue
            except (BadInput, OSError, UnicodeDecodeError) as err:
                logger.warning("%s; trying the generation before it" if path == self._path else "%s", err)
                continue
            if path == self._old:
                logger.warning("restored from %s", path)
            return values
        return {}

    def _collect(self) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name, (record, field) in self._fields.items():
            if field.name == "VAL" and (record.udf or record.refused):
                continue  # what nobody gave, or the device did not take, must not come back as if it were a setpoint
            value = getattr(record, field.attribute)
            values[name] = value.tolist() if isinstance(value, np.ndarray) else value
        return values

    def save(self) -> None:
        """Write the file if anything is different from what it holds.

        Raises:
            OSError: it cannot be written.
        """
        values = self._collect()
        if values and values != self._saved:
            self._write(values)

    def _write(self, values: dict[str, Any]) -> None:
        with self._lock:
            make_folder(self._path.parent)
            fresh = self._path.with_name(self._path.name + ".new")
            write_synced(fresh, format_values(values.items(), datetime.now(UTC)))
            if self._path.exists():
                # A link and not a rename: at every moment there is a whole file under the name that is read first.
                self._old.unlink(missing_ok=True)
                os.link(self._path, self._old)
            rename_synced(fresh, self._path)
            self._saved = values

    async def run(self) -> None:
        """Save within a second of each change, and at the end."""
        failed = False
        try:
            while True:
                await self._touched.wait()
                await asyncio.sleep(PERIOD_S)
                self._touched.clear()
                values = self._collect()
                if not values or values == self._saved:
                    continue
                try:
                    # In a thread: a slow disk must not hold up the polling of hardware.
                    await asyncio.to_thread(self._write, values)
                    if failed:
                        logger.warning("setpoints are saved again: %s", self._path)
                    failed = False
                except OSError as err:
                    if not failed:
                        logger.error("setpoints are not saved: %s; %s; trying again", err.strerror, self._path)  # noqa: TRY400 - one line says it all
                    failed = True
                    self._touched.set()
        finally:
            try:
                self.save()
            except OSError as err:
                logger.error("setpoints are not saved: %s; %s", err.strerror, self._path)  # noqa: TRY400 - as above


def _set(record: LiveRecord, field: Field, value: Any) -> None:
    if isinstance(record, WaveformRecord) and field.name == "VAL":
        record.set_elements(record.coerce(value))
        return
    data = [value] if isinstance(value, str) else np.array([value])
    setattr(record, field.attribute, convert(record, field, data))
