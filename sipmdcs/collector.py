"""The garbage collector of Python, kept off work that makes many objects and no cycles."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Work without garbage collection, for a command that looks through tens of thousands of objects and ends soon."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@contextmanager
def kept_for_good() -> Iterator[None]:
    """Make objects that stay, without garbage collection; the collector never looks at them again.

    It would go through all of them time and again while they become more: of the seconds in which a program reads a large
    configuration this is half, and later a pause of half a second now and then.
    """
    with uncollected():
        try:
            yield
        finally:
            gc.freeze()
