"""PyDM's archiver plugin without three of its flaws.

It cuts times to whole seconds, so that ten samples of a second stand on top of each other; it fails with an ``IndexError`` on
the empty list by which the Archiver Appliance says that it has nothing; and it accepts only a header that equals
``application/json``, silent on one with a character set. The protocol name stays ``archiver://``.
"""

from __future__ import annotations

import logging

import numpy as np
from numpy.typing import NDArray
from pydm import data_plugins
from pydm.data_plugins.archiver_plugin import ArchiverPlugin, Connection
from qtpy.QtNetwork import QNetworkReply, QNetworkRequest

from opi.archive_samples import samples_array
from opi.json_reply import read_json

_log = logging.getLogger(__name__)


class ArchiveConnection(Connection):
    """Requests for one PV."""

    _failing = False

    def data_request_finished(self, reply: QNetworkReply) -> None:
        """Send what came on to the curve; say so if nothing did."""
        try:
            data = self._read(reply)
        except ValueError as err:
            level = logging.DEBUG if self._failing else logging.WARNING  # it is asked again all the time
            _log.log(level, "archive request %s failed: %s", reply.url().toString(), err)
            self._failing = True
            self.connection_state_signal.emit(False)
        else:
            self._failing = False
            self.connection_state_signal.emit(True)
            self.new_value_signal[object].emit(data)
        reply.deleteLater()

    @staticmethod
    def _read(reply: QNetworkReply) -> NDArray[np.float64]:
        content = read_json(reply)
        kind = str(reply.header(QNetworkRequest.KnownHeaders.ContentTypeHeader))
        if kind.partition(";")[0].strip() != "application/json":
            raise ValueError(f"content type {kind}, expected application/json")
        return samples_array(content)


class ArchivePlugin(ArchiverPlugin):
    """``archiver://`` through ``ArchiveConnection``."""

    connection_class = ArchiveConnection


def install_archive_plugin() -> None:
    """Put this plugin in the place of PyDM's own."""
    data_plugins.initialize_plugins_if_needed()
    data_plugins.plugin_modules[ArchivePlugin.protocol] = ArchivePlugin()
