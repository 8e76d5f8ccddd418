"""A scan on the terminal: a bar where there is one, a line now and then where not."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import click

from analysis.scan.client import ScannerClient, Status
from analysis.scan.published import ScanState
from sipmdcs.errors import ServiceError

_LOOK_S = 0.2
_WIDTH = 30
_LINE_STEP = 10.0
"""Percent between two lines."""


def watch(client: ScannerClient, uid: str, *, quiet: bool) -> dict[str, Any]:
    """Show how far a scan is until it is over and everything is back or given up; how it ended.

    Raises:
        ServiceError: the scanner is gone, or has forgotten the scan.
    """
    show: Callable[[Status], None] = _nothing if quiet else _Bar().show if sys.stderr.isatty() else _Lines().show
    while True:
        status = client.status()
        show(status)
        if status.state in (ScanState.IDLE, ScanState.FAILED):
            answer = client.result(uid)
            if answer is None:
                raise ServiceError(f"the scanner was interrupted: {status.message or 'it has started anew'}")
            return answer
        time.sleep(_LOOK_S)


def _nothing(_status: Status) -> None:
    pass


class _Bar:
    """One line that is written over."""

    def show(self, status: Status) -> None:
        percent = status.numbers["PROGRESS"]
        filled = round(percent / 100 * _WIDTH)
        over = status.state in (ScanState.IDLE, ScanState.FAILED)
        text = (
            f"{status.state.name:9} [{'#' * filled}{'.' * (_WIDTH - filled)}] {percent:3.0f} %  "
            f"{int(status.numbers['POINT'])}/{int(status.numbers['N_POINTS'])}  {status.numbers['REMAINING']:.0f} s left "
        )
        click.echo(f"\r{text}", err=True, nl=over)


class _Lines:
    """A line for each tenth and each change of state."""

    def __init__(self) -> None:
        self._told: tuple[ScanState, int] | None = None

    def show(self, status: Status) -> None:
        step = (status.state, int(status.numbers["PROGRESS"] // _LINE_STEP))
        if step == self._told:
            return
        self._told = step
        done, points = int(status.numbers["POINT"]), int(status.numbers["N_POINTS"])
        click.echo(f"{status.state.name}  {done} of {points} points, {status.numbers['REMAINING']:.0f} s left", err=True)
