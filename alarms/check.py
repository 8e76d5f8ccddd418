"""Whether the alarm service could start with the files of a site: for ``sipmdcs doctor``."""

from __future__ import annotations

from alarms.configuration import load_configuration
from alarms.notifyfile import load_notify
from sipmdcs.site import Site


def check_alarms(site: Site) -> None:
    """Read all that the alarm service reads.

    Raises:
        BadInput: a file or record that cannot be used, with file, line and key.
    """
    load_configuration(site)
    load_notify(site.folder)
