"""supervisord as we run it: the processes of a site begin as copies of it, with what they have in common loaded already.

``python -P -m sipmdcs.supervise.supervisord -c FILE``, with the options of supervisord. To everybody who looks, a copy is the
command that it was started as. Where it could not be that, the command is executed as usual: another program, files that were
changed since, a kernel that shows the command line of supervisord.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from supervisor import supervisord
from supervisor.options import ServerOptions

from sipmdcs.supervise.forked import run_module
from sipmdcs.supervise.preload import Loaded, preload
from sipmdcs.supervise.process_identity import show_as

_OURS = [sys.executable, "-P", "-m"]


class Options(ServerOptions):
    """supervisord's dealings with the system."""

    loaded: Loaded | None = None

    def execve(self, filename: str, argv: list[str], env: Mapping[str, str]) -> Any:
        """What a forked child becomes; does not return."""
        ours = argv[:3] == _OURS and argv[3].partition(".")[0] == "sipmdcs"
        if ours and self.loaded is not None and self.loaded.is_current() and show_as(argv, env):
            run_module(argv[3], argv[4:], env, argv)
        os.execve(filename, argv, env)  # noqa: S606 - no shell is wanted


def main() -> None:
    """Run until told to stop."""
    loaded = preload()
    if len([*Path("/proc/self/task").iterdir()]) == 1:  # the lock of another thread would be held in a copy for ever
        Options.loaded = loaded
    supervisord.ServerOptions = Options
    supervisord.main()


if __name__ == "__main__":
    main()
