"""Every command explains itself: examples that parse, nothing cut, nothing of the markup left."""

import re
import shlex
from collections.abc import Iterator

import click
import pytest

from sipmdcs.cli import main

_PLAIN = {"as_json"}
"""Parameters that need no example."""


def contexts(command: click.Command, parent: click.Context | None = None, name: str = "sipmdcs") -> Iterator[click.Context]:
    """One context for each command and group."""
    context = click.Context(command, parent=parent, info_name=name, **command.context_settings)
    yield context
    if isinstance(command, click.Group):
        for child in command.list_commands(context):
            found = command.get_command(context, child)
            assert found is not None
            yield from contexts(found, context, child)


ALL = {context.command_path: context for context in contexts(main)}


def examples(context: click.Context) -> list[str]:
    return re.findall(r"^ +(sipmdcs .*)$", context.command.epilog or "", re.MULTILINE)


@pytest.mark.parametrize("path", ALL)
def test_help_is_whole(path: str) -> None:
    context = ALL[path]
    text = context.get_help()
    assert "\\b" not in text
    assert "\b" not in text
    assert not re.search(r"^  .*\w\.\.\.$", text, re.MULTILINE), "a summary is cut"


@pytest.mark.parametrize("path", ALL)
def test_whoever_takes_arguments_shows_an_example_of_itself(path: str) -> None:
    context = ALL[path]
    takes = {parameter.name for parameter in context.command.params} - _PLAIN
    if takes or isinstance(context.command, click.Group):
        assert any(line.startswith(path) for line in examples(context))


@pytest.mark.parametrize("path", [path for path in ALL if path != "sipmdcs"])
def test_examples_are_right_use(path: str) -> None:
    for line in examples(ALL[path]):
        command: click.Command = main
        context = ALL["sipmdcs"]
        words = shlex.split(line.partition(" > ")[0], comments=True)[1:]
        while isinstance(command, click.Group) and words:
            command.make_parser(context)
            found = command.get_command(context, words[0])
            if found is None:  # options before a sub-command, or a group that does something by itself
                break
            command, context = found, click.Context(found, parent=context, info_name=words[0])
            words = words[1:]
        if not isinstance(command, click.Group):
            command.make_parser(context).parse_args(words)  # raises on an option that there is not
