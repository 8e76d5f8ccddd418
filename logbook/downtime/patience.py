"""Waiting for a database, but not for long: one that hangs would otherwise hold up the data acquisition."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from sipmdcs.errors import ServiceError

R = TypeVar("R")


def within(seconds: float, work: Callable[[], R], what: str) -> R:
    """The result of ``work``, or what it raises; if it takes too long it is left alone and dies with the process.

    Raises:
        ServiceError: no result within ``seconds``.
    """
    results: list[R] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as err:  # noqa: BLE001 - raised again where it was called
            errors.append(err)

    thread = threading.Thread(target=run, name="database", daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise ServiceError(f"{what} does not answer within {seconds:g} s")
    if errors:
        raise errors[0]
    return results[0]
