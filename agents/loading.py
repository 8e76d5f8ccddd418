"""Running the text of a plugin and finding in it what it must have. Only ever done in a process of the plugin's own."""

from __future__ import annotations

import ast
import inspect
import linecache
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from agents.declaration import Declaration, InputGroup
from agents.plugin import Agent, Cached, Context, Inputs, Outputs, check_inputs, check_outputs, patterns_of
from agents.problem import Problem, problem_of

Work = Callable[[Inputs], Outputs]


@dataclass(frozen=True)
class Plugin:
    """A plugin that is loaded."""

    path: str
    declaration: Declaration
    context: Context
    work: Work


def load_plugin(source: str, path: str, context: Context) -> Plugin:
    """Run a plugin's text and take what it declares.

    Args:
        source: text of the file.
        path: of the file, for messages.
        context: the site; its ``parameters`` are those that ``agents.yaml`` sets.

    Raises:
        Problem: it is no plugin, or raised something.
    """
    module = ModuleType(f"agent_{Path(path).stem}")
    module.__file__ = path
    sys.modules[module.__name__] = module
    linecache.cache[path] = (len(source), None, source.splitlines(keepends=True), path)
    try:
        exec(compile(source, path, "exec"), module.__dict__)  # noqa: S102 - this is what a plugin is for
    except BaseException as err:
        raise problem_of(err, path) from err
    return plugin_of(module, path, context, _line_of(source, "agent"))


def plugin_of(module: ModuleType, path: str, context: Context, line: int | None = None) -> Plugin:
    """The plugin in a module that has run.

    Raises:
        Problem: it lacks something, or what it declares cannot be used.
    """
    agent: Any = getattr(module, "agent", None)
    work: Any = getattr(module, "work", None)
    if not isinstance(agent, Agent):
        raise Problem("has no agent = Agent(interval=…)", path, line or 1)
    if not isinstance(work, Callable):
        raise Problem("has no function work(inputs)", path, line)
    _check_signature(work, path)
    context = Context(context.prefix, context.subsystems, _merged(agent.parameters, context.parameters, path, line))
    try:
        return Plugin(path, _declaration(agent, context), context, work)
    except BaseException as err:
        found = problem_of(err, path)
        raise Problem(found.text, path, found.line or line) from err


def _declaration(agent: Agent, context: Context) -> Declaration:
    groups = agent.inputs(context) if callable(agent.inputs) else agent.inputs
    check_inputs(groups)
    outputs = tuple(agent.outputs(context) if callable(agent.outputs) else agent.outputs)
    check_outputs(outputs)
    return Declaration(
        interval=float(agent.interval),
        offset=float(agent.offset),
        description=agent.description,
        inputs={name: InputGroup(patterns_of(group), isinstance(group, Cached)) for name, group in groups.items()},
        outputs=outputs,
        require=agent.require,
        timeout=agent.timeout,
        parameters=context.parameters,
        mirror=agent.mirror,
    )


def _check_signature(work: Callable[..., Any], path: str) -> None:
    line = getattr(getattr(work, "__code__", None), "co_firstlineno", None)
    if inspect.iscoroutinefunction(work):
        raise Problem("work is a coroutine, expected a plain function", path, line)
    try:
        inspect.signature(work).bind(None)
    except TypeError as err:
        raise Problem(f"work must take one argument, the inputs: {err}", path, line) from err


def _merged(defaults: Mapping[str, Any], given: Mapping[str, Any], path: str, line: int | None) -> dict[str, Any]:
    merged = dict(defaults)
    for name, value in given.items():
        if name not in defaults:
            known = ", ".join(sorted(defaults)) or "none"
            raise Problem(f"parameter {name} is unknown; the plugin has {known}", path, line, parameter=name)
        default = defaults[name]
        if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if type(value) is not type(default):
            expected = _KINDS.get(type(default), type(default).__name__)
            raise Problem(f"parameter {name}: found {value!r}, expected {expected}", path, line, parameter=name)
        merged[name] = value
    return merged


_KINDS: dict[type, str] = {
    float: "a number",
    int: "a whole number",
    bool: "true or false",
    str: "a text",
    list: "a list",
    dict: "keys with values",
}


def _line_of(source: str, name: str) -> int | None:
    """Line of the first assignment to ``name`` at the top of a module."""
    for node in ast.parse(source).body:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            return node.lineno
    return None
