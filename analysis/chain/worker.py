"""What runs in a Dask worker. It knows neither SQL nor Channel Access: a task in, a reply out."""

from __future__ import annotations

import hashlib
import logging
import os
import resource
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from analysis.chain.code import code_version
from analysis.chain.rawfile import unpack
from analysis.chain.task import Reply, Task
from analysis.fit.recipe import analyse
from sipmdcs.errors import BadInput

NICENESS = 5
"""Control goes before analysis, which still gets a third of what anything else on a busy machine does."""
TASK_CPU_S = 60
"""Processor time of this machine's workers for one task, after which the kernel ends them."""

_log = logging.getLogger(__name__)
_own_process = threading.Event()
"""Set if nobody else's tasks run in this process."""


def analyse_batch(tasks: Sequence[Task]) -> list[Reply]:
    """A reply per task, whatever its data are."""
    replies = []
    for task in tasks:
        if _own_process.is_set():
            limit_processor_time(TASK_CPU_S)
        replies.append(_analyse(task))
    return replies


def limit_processor_time(seconds: int) -> None:
    """End this process after so much more processor time: unlike time by the clock it does not pass while others compute."""
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    soft = int(time.process_time()) + 1 + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))


def _analyse(task: Task) -> Reply:
    try:
        content = task.source if isinstance(task.source, bytes) else task.source.read_bytes()
        if hashlib.sha256(content).hexdigest() != task.sha256:
            raise BadInput("the file is not the one that arrived: its SHA-256 differs")
        raw = unpack(content)
        return Reply(task.job, analyse(raw.kind, raw.array, raw.conditions), "", code_version())
    except BadInput as err:
        return Reply(task.job, (), f"{_name(task)}{err}", code_version())
    except OSError as err:
        return Reply(task.job, (), f"{_name(task)}cannot be read: {err.strerror or err}", code_version())
    except Exception as err:  # noqa: BLE001 - a fault of ours in one result must not hold up the others
        _log.exception("job %d", task.job)
        return Reply(
            task.job, (), f"{_name(task)}unexpected {type(err).__name__}: {str(err).partition(chr(10))[0]}", code_version()
        )


def _name(task: Task) -> str:
    return f"{task.source}: " if isinstance(task.source, Path) else ""


def dask_setup(worker: object) -> None:
    """Called by Dask in each worker process of this machine, before its first task."""
    os.nice(NICENESS)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _own_process.set()
