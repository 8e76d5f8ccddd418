"""``sipmdcs config``: the group and its sub-commands."""

from __future__ import annotations

import click

from configtool.diff_command import diff
from configtool.history_command import history
from configtool.import_command import import_
from configtool.push_command import push
from configtool.render_command import render
from configtool.set_command import set_
from configtool.show_command import show
from sipmdcs.command_examples import examples


@click.group(
    no_args_is_help=True,
    epilog=examples(
        "sipmdcs config import --channels channels.csv   read the channel table",
        "sipmdcs config render                           write the files IOCs boot from",
        "sipmdcs config push --dry-run                   see what would change",
        "sipmdcs config push                             change and verify it",
        "sipmdcs config set HV17 OVERVOLTAGE 2.5         change one setting",
        title="The usual way",
    ),
)
def config() -> None:
    """Settings of the detector: versions in SQL, pushed into PVs and verified.

    A version is a complete set of settings in four layers, default < subsystem < controller < channel, and is never changed;
    every change makes a new one. A push brings the detector to a version and ends with status 0 only if every value was read
    back and agrees; otherwise it puts everything back.
    """


for _command in (import_, render, show, diff, history, set_, push):
    config.add_command(_command)
