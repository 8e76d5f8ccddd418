"""The reference names every command there is, and none that is not."""

import re
from collections.abc import Iterator
from pathlib import Path

import click

from sipmdcs.cli import main

REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "commands.md"


def leaves(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[str]:
    """Every command that does something, as typed after ``sipmdcs``."""
    if not isinstance(command, click.Group):
        yield " ".join(path)
        return
    with click.Context(command) as context:
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from leaves(found, (*path, name))


def documented() -> set[str]:
    cells = [line.split("|")[1] for line in REFERENCE.read_text("utf-8").splitlines() if line.startswith("| `")]
    spans = [span.removeprefix("sipmdcs ") for cell in cells for span in re.findall(r"`([^`]+)`", cell)]
    return {" ".join(re.findall(r"(?<![\w-])[a-z][a-z-]*(?![\w-])", span)) for span in spans}


def test_reference_and_program_agree() -> None:
    assert documented() == set(leaves(main))
