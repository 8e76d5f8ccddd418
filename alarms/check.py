"""Whether the alarm service would do what the files of a site say: for ``sipmdcs doctor``."""

from __future__ import annotations

from pathlib import Path

from alarms.configuration import load_configuration
from alarms.notifyfile import NOTIFY_FILE, NotifyFile, load_notify
from alarms.selection import matching_nodes
from alarms.tree import Tree
from sipmdcs.site import Site
from sipmdcs.yamlfile import bad_key


def check_alarms(site: Site) -> None:
    """Read all that the alarm service reads.

    Raises:
        BadInput: a file or record that cannot be used, or a route of nothing, with file, line and key.
    """
    notify = load_notify(site.folder)  # needs no records, which a new site does not have yet
    check_routes(notify, load_configuration(site).tree, site.folder)


def check_routes(file: NotifyFile, tree: Tree, folder: Path) -> None:
    """See whether each path of a route leads to something.

    Raises:
        BadInput: one does not: nobody would be paged of what is meant.
    """
    for name, route in file.routes.items():
        for index, path in enumerate(route.paths):
            if not matching_nodes(tree, path):
                raise bad_key(folder / NOTIFY_FILE, ("routes", name, "paths", index), f"{path} is no path in the alarm tree")
