"""One line about a sub-command, read from its source, so that listing all of them imports none."""

from __future__ import annotations

import ast
from importlib.metadata import EntryPoint
from importlib.util import find_spec
from pathlib import Path


def command_summary(point: EntryPoint) -> str:
    """First line of the docstring of the function that an entry point names, or what keeps it from being read."""
    try:
        spec = find_spec(point.module)
        if spec is None or spec.origin is None:
            return f"(broken: no module {point.module})"
        tree = ast.parse(Path(spec.origin).read_bytes())
    except (ImportError, OSError, SyntaxError, ValueError) as err:
        return f"(broken: {err})"
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == point.attr:
            return (ast.get_docstring(node) or "").partition("\n")[0]
    return ""
