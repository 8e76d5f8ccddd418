"""The garbage collector of Python, kept off what a program reads in and then holds for good."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def kept_for_good() -> Iterator[None]:
    """Make objects that stay, without garbage collection; the collector never looks at them again.

    It would go through all of them time and again while they become more: of the seconds in which a program reads a large
    configuration this is half, and later a pause of half a second now and then.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if enabled:
            gc.enable()
