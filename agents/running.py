"""One run of a plugin that is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

from agents.declaration import Declaration
from agents.loading import Plugin
from agents.plugin import Inputs, OutputValue
from agents.problem import Problem, problem_of
from agents.reading import Readings


def run_plugin(plugin: Plugin, groups: Mapping[str, Readings], time: float) -> dict[str, OutputValue]:
    """Call ``work`` and check what it returns.

    Returns:
        A value or ``None`` for every output that is declared.

    Raises:
        Problem: it raised something, or returned what it had not declared.
    """
    try:
        values: Any = plugin.work(Inputs(groups, plugin.context, time))
        return _checked(values, plugin.declaration)
    except BaseException as err:  # whatever a plugin does, SystemExit included, is its own failure
        found = problem_of(err, plugin.path)
        raise Problem(found.text, plugin.path, found.line or _line_of_work(plugin)) from err


def _line_of_work(plugin: Plugin) -> int | None:
    return getattr(getattr(plugin.work, "__code__", None), "co_firstlineno", None)


def _checked(values: Any, declaration: Declaration) -> dict[str, OutputValue]:
    if not isinstance(values, Mapping):
        raise ValueError(f"work returned {type(values).__name__}, expected values by name of the output")  # noqa: TRY004
    kinds = {output.name: output.kind for output in declaration.outputs}
    for name in values:
        if name not in kinds:
            raise ValueError(f"work returned {name!r}, which is none of the outputs")
    return {name: _value(name, values.get(name), kind) for name, kind in kinds.items()}


def _value(name: str, value: Any, kind: str) -> OutputValue:
    if value is None:
        return None
    if kind == "text":
        return str(value)
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ValueError(f"output {name}: {value!r} is no number") from None
    if not isfinite(number):
        return None
    if kind == "int":
        if number != int(number) or not -(2**31) <= number < 2**31:
            raise ValueError(f"output {name}: {value!r} is no whole number of 32 bits")
        return int(number)
    return number
