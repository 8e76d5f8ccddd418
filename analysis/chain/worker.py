"""What runs in a Dask worker. It knows neither SQL nor Channel Access: a task in, a reply out."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Sequence
from pathlib import Path

from analysis.chain.code import code_version
from analysis.chain.rawfile import unpack
from analysis.chain.task import Reply, Task
from analysis.fit.recipe import analyse
from sipmdcs.errors import BadInput

NICENESS = 10
"""Control goes before analysis."""

_log = logging.getLogger(__name__)


def analyse_batch(tasks: Sequence[Task]) -> list[Reply]:
    """A reply per task, whatever its data are."""
    return [_analyse(task) for task in tasks]


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
