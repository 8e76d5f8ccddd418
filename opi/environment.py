"""Environment variables of the screens. They must be set before PyDM, pyepics and Qt are imported: each reads them once."""

from __future__ import annotations

import ipaddress

from sipmdcs.site import HttpService, Site


def service_url(service: HttpService) -> str:
    """Base of a service's HTTP interface as seen from a screen; one that listens everywhere is asked on loopback."""
    host = "127.0.0.1" if ipaddress.IPv4Address(service.interface).is_unspecified else service.interface
    return f"http://{host}:{service.port}"


def screen_environment(site: Site) -> dict[str, str]:
    """Variables of a process that shows screens of ``site``, those of Channel Access included."""
    return {
        **site.ca_environment(),
        "QT_API": "pyqt6",
        "PYDM_EPICS_LIB": "pyepics",
        "PYDM_DEFAULT_PROTOCOL": "ca",
        "PYDM_ARCHIVER_URL": service_url(site.file.archiver),
    }
