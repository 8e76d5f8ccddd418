"""What ``ps`` and ``/proc`` say of this process: its command line and the environment it was started with."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

_PR_SET_MM = 35
_PR_SET_MM_MAP = 14
_NO_FILE = 0xFFFFFFFF
_FIELDS = (
    *("start_code", "end_code", "start_data", "end_data", "start_brk", "brk", "start_stack"),
    *("arg_start", "arg_end", "env_start", "env_end", "auxv"),
)
_IN_STAT = {"start_code": 26, "end_code": 27, "start_stack": 28, "start_data": 45, "end_data": 46, "start_brk": 47}
"""Where ``/proc/self/stat`` has them; its fields are counted from 1 (proc(5))."""


class _Map(ctypes.Structure):
    """``struct prctl_mm_map`` of linux/prctl.h."""

    _fields_ = (*((name, ctypes.c_uint64) for name in _FIELDS), ("auxv_size", ctypes.c_uint32), ("exe_fd", ctypes.c_uint32))


_shown: list[ctypes.Array[ctypes.c_char]] = []
"""Memory that the kernel reads from now on."""


def show_as(arguments: Sequence[str], environment: Mapping[str, str]) -> bool:
    """Have the kernel show this process as if it had been executed with these.

    Returns:
        Whether that was done: a kernel may lack ``PR_SET_MM_MAP``, or a sandbox forbid it.
    """
    command = b"".join(os.fsencode(argument) + b"\0" for argument in arguments)
    variables = b"".join(os.fsencode(f"{name}={value}") + b"\0" for name, value in environment.items())
    text = ctypes.create_string_buffer(command + variables)
    start = ctypes.addressof(text)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.sbrk.restype = ctypes.c_void_p
    stat = Path("/proc/self/stat").read_text("ascii", "replace").rpartition(")")[2].split()
    layout = _Map(**{name: int(stat[field - 3]) for name, field in _IN_STAT.items()})
    layout.brk = libc.sbrk(ctypes.c_ssize_t(0))
    layout.arg_start, layout.arg_end = start, start + len(command)
    layout.env_start, layout.env_end = start + len(command), start + len(command) + len(variables)
    layout.exe_fd = _NO_FILE
    size = ctypes.c_ulong(ctypes.sizeof(layout))
    if libc.prctl(_PR_SET_MM, ctypes.c_ulong(_PR_SET_MM_MAP), ctypes.byref(layout), size, ctypes.c_ulong(0)) != 0:
        return False
    _shown.append(text)
    return True
