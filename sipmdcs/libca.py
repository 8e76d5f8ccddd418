"""The Channel Access client library of EPICS Base, as shipped by ``epicscorelibs``, declared for ctypes.

Signatures and layouts are those of ``cadef.h``, ``caerr.h`` and ``db_access.h`` of EPICS Base 7.0. libca reads its
environment (``EPICS_CA_ADDR_LIST`` and the like) when a context is created, so ``load()`` runs no earlier than needed.
"""

from __future__ import annotations

import ctypes
import importlib
import os
from ctypes import CFUNCTYPE, POINTER, Structure, c_char_p, c_int, c_long, c_short, c_uint, c_ulong, c_void_p
from enum import IntEnum
from functools import cache
from typing import ClassVar


class Eca(IntEnum):
    """Return codes that need a branch of their own (``caerr.h``); ``message`` has the text of every one."""

    NORMAL = 1
    TIMEOUT = 80
    PUTFAIL = 160
    DISCONN = 192
    NORDACCESS = 368
    NOWTACCESS = 376


CA_OP_CONN_UP = 6
CA_PREEMPTIVE = 1
CS_CONN = 2
"""``ca_state`` of a connected channel."""


class ConnectionArgs(Structure):
    """``struct connection_handler_args``, passed by value."""

    _fields_: ClassVar = [("chid", c_void_p), ("op", c_long)]


class EventArgs(Structure):
    """``struct event_handler_args``, passed by value."""

    _fields_: ClassVar = [
        ("usr", c_void_p),
        ("chid", c_void_p),
        ("type", c_long),
        ("count", c_long),
        ("dbr", c_void_p),
        ("status", c_int),
    ]


class ExceptionArgs(Structure):
    """``struct exception_handler_args``, passed by value."""

    _fields_: ClassVar = [
        ("usr", c_void_p),
        ("chid", c_void_p),
        ("type", c_long),
        ("count", c_long),
        ("addr", c_void_p),
        ("stat", c_long),
        ("op", c_long),
        ("ctx", c_char_p),
        ("file", c_char_p),
        ("line", c_uint),
    ]


ConnectionHandler = CFUNCTYPE(None, ConnectionArgs)
EventHandler = CFUNCTYPE(None, EventArgs)
ExceptionHandler = CFUNCTYPE(None, ExceptionArgs)
PrintfHandler = CFUNCTYPE(c_int, c_char_p, c_void_p)

_SIGNATURES: dict[str, tuple[type | None, list[type]]] = {
    "ca_context_create": (c_int, [c_int]),
    "ca_context_destroy": (None, []),
    "ca_current_context": (c_void_p, []),
    "ca_attach_context": (c_int, [c_void_p]),
    "ca_detach_context": (None, []),
    "ca_add_exception_event": (c_int, [c_void_p, c_void_p]),
    "ca_replace_printf_handler": (c_int, [c_void_p]),
    "ca_create_channel": (c_int, [c_char_p, c_void_p, c_void_p, c_uint, POINTER(c_void_p)]),
    "ca_clear_channel": (c_int, [c_void_p]),
    "ca_create_subscription": (c_int, [c_long, c_ulong, c_void_p, c_long, c_void_p, c_void_p, POINTER(c_void_p)]),
    "ca_clear_subscription": (c_int, [c_void_p]),
    "ca_array_get_callback": (c_int, [c_long, c_ulong, c_void_p, c_void_p, c_void_p]),
    "ca_array_put_callback": (c_int, [c_long, c_ulong, c_void_p, c_void_p, c_void_p, c_void_p]),
    "ca_flush_io": (c_int, []),
    "ca_state": (c_int, [c_void_p]),
    "ca_puser": (c_void_p, [c_void_p]),
    "ca_name": (c_char_p, [c_void_p]),
    "ca_field_type": (c_short, [c_void_p]),
    "ca_element_count": (c_ulong, [c_void_p]),
    "ca_read_access": (c_uint, [c_void_p]),
    "ca_write_access": (c_uint, [c_void_p]),
    "ca_message": (c_char_p, [c_long]),
    "caRepeaterThread": (None, [c_void_p]),
}


_PRIORITIES = "EPICS_ALLOW_POSIX_THREAD_PRIORITY_SCHEDULING"


def _file(name: str) -> str:
    """Where a library of ``epicscorelibs`` lies."""
    # Not epicscorelibs.path.get_lib: it imports setuptools, 6 MB that every process would keep.
    return importlib.import_module(f"epicscorelibs.lib.{name}_dsoinfo").sofilename


@cache
def com() -> ctypes.CDLL:
    """libCom, the library below libca; its threads never run under the real-time scheduler unless the environment says so.

    Where it may (as root), libCom would let a mere client run ahead of everything else on the machine.
    """
    chosen = _PRIORITIES in os.environ
    if not chosen:
        os.environ[_PRIORITIES] = "NO"
    library = ctypes.CDLL(_file("Com"))  # looks there while it is loaded
    if not chosen:
        del os.environ[_PRIORITIES]  # programs started from here choose for themselves
    return library


@cache
def load() -> ctypes.CDLL:
    """The library, loaded on the first call; every function gives up the interpreter lock while it runs."""
    com()
    library = ctypes.CDLL(_file("ca"))
    for name, (result, arguments) in _SIGNATURES.items():
        function = getattr(library, name)
        function.restype = result
        function.argtypes = arguments
    return library


def address(function: object) -> int:
    """Where a library function or a ctypes callback starts."""
    value = ctypes.cast(function, c_void_p).value  # pyright: ignore[reportArgumentType]
    assert value is not None  # noqa: S101  (functions have an address)
    return value


def message(status: int) -> str:
    """What libca says about a return code, without the full stop."""
    text: bytes = load().ca_message(status)
    return text.decode("ascii").rstrip(".")
