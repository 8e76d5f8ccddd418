"""Cure for PVs that PyDM shows as disconnected although they are not.

PyDM's pyepics plugin registers a new channel in a pool thread: it reads ``isConnected()``, and if that said no, emits "not
connected" although the Channel Access thread may have emitted "connected" in between. About one PV in 700 then stays
disabled for good while its values arrive. Nothing in PyDM repairs that, so each connection is looked at again: once all of it
is told anew a while after it was made, and afterwards whenever PyDM and Channel Access disagree.
"""

from __future__ import annotations

import time
import weakref

from pydm.data_plugins import plugin_for_address
from qtpy.QtCore import QObject

from opi.timer import make_timer

PERIOD_MS = 1000
SETTLE_S = 1.0
"""Age from which a connection is safe: its pool thread has long finished."""


class Reconciler(QObject):
    """Looks at every Channel Access connection of this process once a second."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._first_seen: weakref.WeakKeyDictionary[QObject, float] = weakref.WeakKeyDictionary()
        self._settled: weakref.WeakSet[QObject] = weakref.WeakSet()
        self._timer = make_timer(self, PERIOD_MS, self.reconcile)

    def reconcile(self) -> int:
        """Tell PyDM of every PV that is connected and not known as such.

        Returns:
            How many connections PyDM had wrong.
        """
        plugin = plugin_for_address("ca://")
        if plugin is None:
            return 0
        now = time.monotonic()
        repaired = 0
        # The pool threads of the plugin add to the dictionary while we look.
        for connection in list(plugin.connections.values()):
            if now - self._first_seen.setdefault(connection, now) < SETTLE_S or not connection.pv.connected:
                continue
            if not connection.connected:
                connection.send_connection_state(conn=True)
                repaired += 1
            elif connection not in self._settled:
                # The flag may be right and the last signal wrong.
                connection.send_connection_state(conn=True)
            self._settled.add(connection)
        return repaired
