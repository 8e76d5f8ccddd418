"""How a push goes: a bar on a terminal, a line for each step elsewhere. Everything goes to stderr, results to stdout."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Self

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn


class Bar:
    """A progress bar for a terminal."""

    def __init__(self) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._progress = Progress(*columns, console=Console(stderr=True))
        self._task: TaskID | None = None

    def step(self, text: str, total: int) -> None:
        self._task = self._progress.add_task(text, total=total)

    def advance(self, done: int) -> None:
        if self._task is not None:
            self._progress.update(self._task, completed=done)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None) -> None:
        self._progress.stop()


class Lines:
    """A line when a step begins."""

    def step(self, text: str, total: int) -> None:
        click.echo(f"{text}: {total} values", err=True)

    def advance(self, done: int) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None) -> None:
        pass


def make_watcher() -> Bar | Lines:
    """What fits where stderr goes."""
    return Bar() if sys.stderr.isatty() else Lines()
