"""A plugin by itself, for debugging: its file is run with Python, or by ``sipmdcs agents run``."""

from __future__ import annotations

import sys


def run_alone() -> None:
    """Run the plugin that is the main program, with the options of ``python PLUGIN.py --help``; ends the process."""
    from agents.debugging import main  # not for plugins in the host

    main(sys.modules["__main__"])
