"""What an agent can be doing."""

from __future__ import annotations

from enum import IntEnum


class AgentState(IntEnum):
    """Value of ``DET:AGENT:NAME:STATE``; ``agent.template`` has the same names and says how bad each is."""

    STARTING = 0
    """Its process loads the plugin."""
    IDLE = 1
    """The run before went well, or none was due yet; waits for its slot."""
    RUNNING = 2
    """A run has gone on for longer than a tick or two."""
    NO_INPUT = 3
    """Inputs that it requires are INVALID, so that it was not run in its last slot."""
    FAILED = 4
    """The plugin cannot be loaded, its last run raised something, or its process died."""
    HUNG = 5
    """A run took too long and its process was killed; another one is started after a while."""
    DISABLED = 6
    """Switched off by ``ENABLE``."""
    STOPPED = 7
    """All agents are stopped."""
