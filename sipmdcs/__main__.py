"""``python -m sipmdcs``: the command line, as the supervisor starts it."""

from sipmdcs.cli import main

main(prog_name="sipmdcs")
