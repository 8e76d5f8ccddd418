"""The records that every agent has besides its outputs: posted when they change, written by clients."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from agents.outputs import changed, error_values
from agents.plugin import check_interval, check_offset
from sipmdcs.errors import BadInput
from sipmdcs.publisher import Publisher, Value, WriteHandler

_log = logging.getLogger(__name__)


class Shown:
    """What is shown of one agent.

    Args:
        name: of the agent.
        prefix: ``DET:AGENT:NAME``.
        publisher: serves the records.
    """

    def __init__(self, name: str, prefix: str, publisher: Publisher) -> None:
        self._name = name
        self._prefix = prefix
        self._publisher = publisher
        self._posted: dict[str, Value] = {}

    def post(self, values: Mapping[str, Value]) -> None:
        """Post those of ``values``, by suffix, that are not as they were."""
        fresh = changed({f"{self._prefix}:{suffix}": value for suffix, value in values.items()}, self._posted)
        if fresh:
            self._publisher.post(fresh)

    def say(self, short: str, text: str) -> None:
        """Post and log an error, the same text only once."""
        fresh = changed(error_values(self._prefix, short, text), self._posted)
        if fresh:
            _log.warning("agent %s: %s", self._name, text)
            self._publisher.post(fresh)

    def offer(self, handlers: Mapping[str, WriteHandler]) -> None:
        """Let clients write; some of the records may be new ones, so that everything is posted again."""
        self._posted.clear()
        for suffix, handler in handlers.items():
            self._publisher.on_write(f"{self._prefix}:{suffix}", self._then_post(suffix, handler))

    def _then_post(self, suffix: str, handler: WriteHandler) -> WriteHandler:
        async def write(value: Value) -> None:
            self._posted.pop(f"{self._prefix}:{suffix}", None)  # the record has the client's value now, accepted or not
            await handler(value)

        return write


def number_from(value: Value) -> float:
    """What a client wrote, as a number.

    Raises:
        BadInput: it is not a number.
    """
    if not isinstance(value, int | float):
        raise BadInput(f"{value!r} is not a number")
    return float(value)


def check_times(interval: float, offset: float) -> None:
    """Make sure of what a client wrote.

    Raises:
        BadInput: an agent cannot run at these times.
    """
    try:
        check_interval(interval)
        check_offset(offset, interval)
    except ValueError as err:
        raise BadInput(str(err)) from err
