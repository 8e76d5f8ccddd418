"""What a plugin declares about itself, checked as soon as it is written down.

A plugin is a module with two names::

    agent = Agent(interval=10, inputs={"temperature": "*:CH??:TEMP_RBV"}, outputs=[Output("MEAN", unit="degC", precision=2)])

    def work(inputs: Inputs) -> Outputs:
        return {"MEAN": fmean(inputs["temperature"].numbers.values())}
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

from agents.reading import Readings

SHORTEST_S, LONGEST_S = 0.1, 86_400.0
"""Bounds of an interval: ten times a second, once a day."""
SHORTEST_TIMEOUT_S = 5.0
"""A run may always take so long unless the plugin says otherwise."""
MOST_OUTPUTS = 2_000
LONGEST_NAME = 30
"""Of an output, so that ``DET:AGENT:NAME:OUTPUT`` fits into a record name."""

_OUTPUT = re.compile(r"[A-Z][A-Z0-9_]*(:[A-Z0-9_]+)*")
_WORD = re.compile(r"[a-z][a-z0-9-]*")
_SEVERITIES = ("NO_ALARM", "MINOR", "MAJOR", "INVALID")

OutputValue = float | int | str | bool | None
"""``None``, like a number that is not finite: there is no value now, and the record is INVALID."""
Outputs = Mapping[str, OutputValue]
"""What ``work`` returns: values by name of the output. One that is left out is as good as ``None``."""


@dataclass(frozen=True)
class Output:
    """One value that an agent makes: a record ``DET:AGENT:NAME:…`` and an entry of the hot cache.

    Raises:
        ValueError: it cannot be a record.
    """

    name: str
    """Upper case, parts separated by colons, 30 characters at most."""
    description: str = ""
    """At most 40 characters."""
    unit: str = ""
    precision: int = 3
    """Digits after the decimal point; of ``kind`` float only."""
    kind: str = "float"
    """``float``, ``int`` or ``text``; a text is cut after 39 bytes."""
    lolo: float | None = None
    low: float | None = None
    high: float | None = None
    hihi: float | None = None
    """Limits: ``low`` and ``high`` make the output MINOR, ``lolo`` and ``hihi`` MAJOR."""
    alarm: bool = True
    """Whether an output with a limit has a place in the alarm tree; it alarms then also while it is INVALID."""
    alarm_delay_s: int = 0
    """How long a value must be beyond a limit before the alarm is raised."""
    guidance: str = "agent-output"
    """Key of a guidance text in ``alarms.yaml``."""

    def __post_init__(self) -> None:
        if not _OUTPUT.fullmatch(self.name) or len(self.name) > LONGEST_NAME:
            raise ValueError(
                f"output name {self.name!r}: expected upper case such as MEAN or PVETO:MEAN, {LONGEST_NAME} at most"
            )
        if self.kind not in ("float", "int", "text"):
            raise ValueError(f"output {self.name}: kind {self.kind!r}, expected float, int or text")
        if len(self.description.encode()) > 40:
            raise ValueError(f"output {self.name}: description has more than 40 bytes")
        if len(self.unit.encode()) > 15:
            raise ValueError(f"output {self.name}: unit {self.unit!r} has more than 15 bytes")
        if not 0 <= self.precision <= 15:
            raise ValueError(f"output {self.name}: precision {self.precision}, expected 0 to 15")
        if not _WORD.fullmatch(self.guidance):
            raise ValueError(f"output {self.name}: guidance {self.guidance!r}, expected a key such as agent-output")
        if self.alarm_delay_s < 0 or self.alarm_delay_s != int(self.alarm_delay_s):
            raise ValueError(f"output {self.name}: alarm_delay_s {self.alarm_delay_s}, expected whole seconds")
        limits = self.limits
        if limits and self.kind == "text":
            raise ValueError(f"output {self.name}: a text has no limits")
        if any(isinstance(limit, bool) or not isfinite(limit) for limit in limits) or limits != sorted(limits):
            raise ValueError(f"output {self.name}: expected lolo <= low <= high <= hihi, found {limits}")

    @property
    def limits(self) -> list[float]:
        """The limits that are set, in the order of their names."""
        return [limit for limit in (self.lolo, self.low, self.high, self.hihi) if limit is not None]


@dataclass(frozen=True)
class Cached:
    """An input that is read from the hot cache, not over Channel Access.

    Args:
        keys: as for a PV: a name, a pattern, or several.
    """

    keys: str | Sequence[str]


@dataclass(frozen=True)
class Context:
    """What a plugin may know of the site it runs in."""

    prefix: str
    """First part of every PV name, ``DET``."""
    subsystems: tuple[str, ...]
    """Second parts of the PV names of controllers."""
    parameters: Mapping[str, Any]
    """The plugin's ``parameters`` with what ``agents.yaml`` says otherwise."""


Patterns = str | Sequence[str] | Cached
InputGroups = Mapping[str, Patterns]


@dataclass(frozen=True)
class Inputs:
    """What one run works on."""

    groups: Mapping[str, Readings]
    context: Context
    time: float
    """When the run began, Unix seconds."""

    def __getitem__(self, group: str) -> Readings:
        """Readings of one group that the plugin declared."""
        return self.groups[group]

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Shorthand of ``context.parameters``."""
        return self.context.parameters


@dataclass(frozen=True)
class Agent:
    """When an agent runs, what it reads and what it makes.

    Raises:
        ValueError: a number is out of range or a name is no name.
    """

    interval: float
    """Seconds from one run to the next, 0.1 to 86400."""
    offset: float = 0.0
    """Seconds after the start of the host of the first run, less than ``interval``: spreads agents with equal intervals."""
    description: str = ""
    """One line, shown by ``sipmdcs agents list``."""
    inputs: InputGroups | Callable[[Context], InputGroups] = field(default_factory=dict[str, Patterns])
    """By group: names of PVs, or patterns (``*``, ``?``, ``[…]``) of the site's records; ``$(DET)`` is the prefix."""
    outputs: Sequence[Output] | Callable[[Context], Sequence[Output]] = ()
    require: str = "any"
    """Inputs without which ``work`` is not called: ``any`` valid one in each group, ``all``, or ``none``."""
    timeout: float | None = None
    """Seconds after which a run is given up and its process killed; left out, two intervals, at least 5 s."""
    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Names and defaults of what ``agents.yaml`` may set; a value there must be of the same type."""
    mirror: bool = False
    """Whether the host also writes every connected input to the hot cache."""

    def __post_init__(self) -> None:
        check_interval(self.interval)
        check_offset(self.offset, self.interval)
        if self.require not in ("any", "all", "none"):
            raise ValueError(f"require {self.require!r}, expected any, all or none")
        if self.timeout is not None and not (_is_number(self.timeout) and 0 < self.timeout <= LONGEST_S):
            raise ValueError(f"timeout {self.timeout!r}, expected more than 0 s")
        if not callable(self.inputs):
            check_inputs(self.inputs)
        if not callable(self.outputs):
            check_outputs(self.outputs)


def check_interval(interval: Any) -> None:
    """Make sure of an interval.

    Raises:
        ValueError: it is none.
    """
    if not _is_number(interval) or not SHORTEST_S <= interval <= LONGEST_S:
        raise ValueError(f"interval {interval!r}, expected {SHORTEST_S:g} to {LONGEST_S:g} s")


def check_offset(offset: Any, interval: float) -> None:
    """Make sure of an offset.

    Raises:
        ValueError: it is none.
    """
    if not _is_number(offset) or not 0 <= offset < interval:
        raise ValueError(f"offset {offset!r}, expected 0 s or more and less than the interval, {interval:g} s")


def check_inputs(groups: Any) -> None:
    """Make sure of inputs.

    Raises:
        ValueError: they are not groups of PV names.
    """
    if not isinstance(groups, Mapping):
        raise ValueError(f"inputs {groups!r}, expected groups by name")  # noqa: TRY004 - a mistake in a file, like the others
    for group, patterns in groups.items():
        names = patterns_of(patterns)
        if not isinstance(group, str) or not names or not all(isinstance(name, str) and name.strip() for name in names):
            raise ValueError(f"inputs {group!r}: {patterns!r}, expected names or patterns of PVs")


def check_outputs(outputs: Any) -> None:
    """Make sure of outputs.

    Raises:
        ValueError: they are not outputs with different names.
    """
    names: set[str] = set()
    for output in outputs:
        if not isinstance(output, Output):
            raise ValueError(f"outputs: {output!r}, expected Output(…)")  # noqa: TRY004
        if output.name in names:
            raise ValueError(f"output {output.name} is declared twice")
        if output.name in RESERVED:
            raise ValueError(f"output {output.name}: every agent has a PV of that name")
        names.add(output.name)
    if len(names) > MOST_OUTPUTS:
        raise ValueError(f"{len(names)} outputs, expected at most {MOST_OUTPUTS}")


RESERVED = frozenset(
    {
        "STATE",
        "ENABLE",
        "INTERVAL",
        "OFFSET",
        "RUN",
        "LAST_ERROR",
        "ERROR_TEXT",
        "LATENCY",
        "RUNS",
        "ERRORS",
        "OVERRUNS",
        "RESTARTS",
        "AGE",
        "VERSION",
    }
)
"""What ``agent.template`` makes of every agent; a test compares."""


def patterns_of(patterns: Any) -> tuple[Any, ...]:
    """The names and patterns of a group."""
    if isinstance(patterns, Cached):
        patterns = patterns.keys
    return (patterns,) if isinstance(patterns, str) else tuple(patterns)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
