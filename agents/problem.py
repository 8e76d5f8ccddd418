"""Why a plugin cannot be used or a run failed: one line, with the place in the plugin's file."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from pathlib import Path


@dataclass(eq=False)
class Problem(Exception):
    """What is wrong with one agent."""

    text: str
    """What is wrong, what was expected."""
    file: str = ""
    line: int | None = None
    parameter: str = ""
    """Name of the parameter in ``agents.yaml`` that is wrong, if one is."""

    def __str__(self) -> str:
        """The whole line."""
        place = f"{self.file}:{self.line}" if self.line else self.file
        return ": ".join(part for part in (place, self.text) if part)

    @property
    def short(self) -> str:
        """The same with the bare file name, for a PV that holds 39 bytes."""
        place = Path(self.file).name if self.file else ""
        return ": ".join(part for part in (f"{place}:{self.line}" if self.line else place, self.text) if part)


def problem_of(err: BaseException, path: str) -> Problem:
    """An exception that left the plugin in ``path``: where in that file it came from, and what it says."""
    if isinstance(err, Problem):
        return err
    if isinstance(err, SyntaxError) and err.filename:
        return Problem(f"{type(err).__name__}: {err.msg}", err.filename, err.lineno)
    lines = [frame.lineno for frame in traceback.extract_tb(err.__traceback__) if frame.filename == path]
    said = " ".join(str(err).split())
    kind = "" if isinstance(err, ValueError) and said else type(err).__name__
    return Problem(": ".join(part for part in (kind, said) if part), path, lines[-1] if lines else None)
