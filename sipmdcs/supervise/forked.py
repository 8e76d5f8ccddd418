"""Running a module in a forked process as ``python -m`` runs it in an executed one."""

from __future__ import annotations

import atexit
import os
import runpy
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from io import FileIO, TextIOWrapper
from pathlib import Path
from typing import Any, NoReturn

_ENCODING = sys.stdin.encoding
_ERRORS = sys.stdin.errors or "strict"
"""As this interpreter began with, by its locale."""
_kept: list[object] = []
"""Files that would close a standard descriptor of this process if they were dropped."""


def run_module(module: str, arguments: Sequence[str], environment: Mapping[str, str], command: Sequence[str]) -> NoReturn:
    """End this process, a copy of another one, as the run of a module; its descriptors 0 to 2 stay, all others are closed.

    Args:
        module: what to run as ``__main__``.
        arguments: what it finds in ``sys.argv`` from 1 on.
        environment: in place of that of the other process.
        command: the whole command line, for ``sys.orig_argv``.
    """
    status = 1
    try:
        _forget_signals()
        _close_files()
        os.environ.clear()
        os.environ.update(environment)
        _open_standard_files()
        sys.argv = ["-m", *arguments]
        sys.orig_argv = list(command)
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        status = 0
    except SystemExit as leaving:
        status = _status(leaving.code)
    except BaseException as err:  # noqa: BLE001 - the end of the process
        sys.excepthook(type(err), err, err.__traceback__)
    finally:
        # As at the end of the interpreter, which must not be reached: what this process was copied from would be cleaned up.
        try:
            threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001 - as multiprocessing does after a fork
            atexit._run_exitfuncs()  # noqa: SLF001
            for file in (sys.stdout, sys.stderr):
                file.flush()
        finally:
            os._exit(status)


def _forget_signals() -> None:
    """What is handled is handled no more; what is ignored stays so, as after an execution."""
    for number in signal.valid_signals():
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


def _close_files() -> None:
    # Not os.closerange: an old kernel would be asked for each number that the limit allows.
    for path in [*Path("/proc/self/fd").iterdir()]:
        if int(path.name) > 2:
            with suppress(OSError):  # that of the listing itself
                os.close(int(path.name))


def _open_standard_files() -> None:
    _kept.extend([sys.stdin, sys.stdout, sys.stderr, sys.__stdin__, sys.__stdout__, sys.__stderr__])
    sys.stdin = sys.__stdin__ = open(0, encoding=_ENCODING, errors=_ERRORS, closefd=False)  # noqa: SIM115 - open as long as the process
    sys.stdout = sys.__stdout__ = _unbuffered(1, _ERRORS)
    sys.stderr = sys.__stderr__ = _unbuffered(2, "backslashreplace")


def _unbuffered(descriptor: int, errors: str) -> TextIOWrapper[Any]:
    return TextIOWrapper(FileIO(descriptor, "w", closefd=False), _ENCODING, errors, write_through=True)  # type: ignore[arg-type]


def _status(code: object) -> int:
    """The status of a process that ends with ``SystemExit(code)``."""
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF
    sys.stderr.write(f"{code}\n")
    return 1
