"""Which PVs changed since a client last asked, so that a client which polls gets the changes instead of the whole tree."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Mapping

from alarms.state import PvState


class Versions:
    """A number for every state, which grows whenever states were replaced; any thread may ask.

    Nothing is noted when a state changes: states are immutable, so the next question finds what was replaced.
    """

    def __init__(self) -> None:
        self._start = secrets.token_hex(4)  # numbers of an earlier process mean nothing
        self._newest = 0
        self._seen: dict[str, tuple[PvState, int]] = {}
        self._lock = threading.Lock()

    def since(self, states: Mapping[str, PvState], version: str) -> tuple[str, bool, list[str]]:
        """What is new.

        Args:
            states: those in force, by PV.
            version: from an earlier answer; anything else stands for none.

        Returns:
            The version of now, whether all PVs are named, and the names of those that may have changed since ``version``.
        """
        with self._lock:
            seen = self._seen
            replaced = [pv for pv, state in states.items() if pv not in seen or seen[pv][0] is not state]
            gone = len(seen) + sum(pv not in seen for pv in replaced) > len(states)
            if gone:
                self._start, seen = secrets.token_hex(4), {}
                self._seen, replaced = seen, list(states)
            if replaced:
                self._newest += 1
                seen.update((pv, (states[pv], self._newest)) for pv in replaced)
            now = f"{self._start}-{self._newest}"
            known = self._number(version)
            if known is None:
                return now, True, list(seen)
            return now, False, [pv for pv, (_, number) in seen.items() if number > known]

    def _number(self, version: str) -> int | None:
        start, _, number = version.partition("-")
        if start != self._start or not (number.isascii() and number.isdigit()) or len(number) > 18:
            return None
        return int(number) if int(number) <= self._newest else None
