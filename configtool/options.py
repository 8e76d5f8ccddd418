"""Options that several sub-commands share, and how they print."""

from __future__ import annotations

import json
from typing import Any

import click

from configtool.store import this_user

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
author_option = click.option("--author", default=this_user, show_default="you@this machine", help="Who to put on record.")
message_option = click.option("--message", "-m", default="", help="Why, for the history.")


def warn(line: str) -> None:
    """One line on stderr, beside the result."""
    click.echo(line, err=True)


def echo_json(data: Any) -> None:
    """Data on stdout."""
    click.echo(json.dumps(data, indent=2, allow_nan=False))
