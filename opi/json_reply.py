"""The JSON of an HTTP reply, whatever came instead."""

from __future__ import annotations

import json
from typing import Any

from qtpy.QtNetwork import QNetworkReply


def read_json(reply: QNetworkReply) -> Any:
    """What a finished reply says.

    Raises:
        ValueError: it failed, or is not JSON.
    """
    if reply.error() != QNetworkReply.NetworkError.NoError:
        raise ValueError(reply.errorString())
    try:
        return json.loads(reply.readAll().data())
    except RecursionError as err:
        raise ValueError("JSON is nested too deep") from err
