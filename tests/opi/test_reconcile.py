"""The cure for PVs that PyDM believes disconnected although they are not."""

from pydm.data_plugins import plugin_for_address
from pytestqt.qtbot import QtBot

from opi.pv_watch import PvWatch
from opi.reconcile import Reconciler
from tests.opi.driving import Driver

PV = "SCR:NORTH:HV01:CH16:VBR_TREF"


def test_a_lost_race_is_repaired(qtbot: QtBot, driver: Driver) -> None:
    """What the pool thread of PyDM's plugin does when it comes too late: it emits "not connected" last."""
    watch = PvWatch(PV)
    qtbot.waitUntil(lambda: watch.value == 25.0, timeout=15_000)
    plugin = plugin_for_address("ca://")
    assert plugin is not None
    connection = plugin.connections[PV]
    assert connection.pv.connected
    connection.send_connection_state(conn=False)
    qtbot.waitUntil(lambda: watch.value is None)
    qtbot.waitUntil(lambda: watch.connected and watch.value == 25.0, timeout=5000)
    watch.close()


def test_a_last_signal_that_was_wrong_is_repeated_right(qtbot: QtBot, driver: Driver) -> None:
    """The flag says connected, the last signal said not: seen from the flag alone nothing is wrong."""
    watch = PvWatch(PV)
    qtbot.waitUntil(lambda: watch.connected, timeout=15_000)
    plugin = plugin_for_address("ca://")
    assert plugin is not None
    plugin.connections[PV].connection_state_signal.emit(False)
    qtbot.waitUntil(lambda: watch.value is None)
    qtbot.waitUntil(lambda: watch.connected and watch.value == 25.0, timeout=5000)
    watch.close()


def test_what_is_not_connected_stays_so(qtbot: QtBot, driver: Driver) -> None:
    watch = PvWatch("SCR:NOBODY:HAS:THIS")
    reconciler = Reconciler()
    assert reconciler.reconcile() == 0
    assert watch.value is None
    watch.close()
