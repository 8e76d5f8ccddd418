"""The controllers of a site, joined with what their kinds are."""

from __future__ import annotations

from collections.abc import Callable

from configtool.resolution import Installed
from sipmdcs.controllers import ControllerType, controller_type
from sipmdcs.errors import BadInput
from sipmdcs.site import SITE_FILE, Site
from sipmdcs.yamlfile import bad_key


def installed_controllers(site: Site, kind_of: Callable[[str], ControllerType] = controller_type) -> dict[str, Installed]:
    """Controllers of the site by their id in the channel table.

    Args:
        site: the site.
        kind_of: finds a kind of controller by its name.

    Raises:
        BadInput: two controllers have the same id, or a driver is not known.
    """
    out: dict[str, Installed] = {}
    for name, controller in site.file.controllers.items():
        place = ("controllers", name)
        if (other := out.get(controller.id)) is not None:
            message = f"id {controller.id} is already that of {other.name}"
            raise bad_key(site.folder / SITE_FILE, (*place, "id"), message)
        try:
            kind = kind_of(controller.driver)
        except BadInput as err:
            raise bad_key(site.folder / SITE_FILE, (*place, "driver"), err.message) from err
        prefix = site.controller_prefix(name)
        out[controller.id] = Installed(name, controller.id, controller.subsystem, prefix, kind, controller.poll_s)
    return out
