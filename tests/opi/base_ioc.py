"""A real EPICS Base IOC with the records of some controllers of a site; ends when its standard input does.

Usage: ``python base_ioc.py DATABASE …``: loads what ``write_database`` made. Network addresses come from the environment.
"""

import sys
from collections.abc import Iterable
from pathlib import Path

from sipmdcs.controllers import controller_type
from sipmdcs.epicsdb import Record, format_records, load_substitutions, load_template
from sipmdcs.site import Site, packaged_templates


def controller_records(site: Site, controller: str) -> list[Record]:
    """Records of one controller with all its channels, as a soft IOC can load them."""
    templates = packaged_templates()
    entry = site.file.controllers[controller]
    kind = controller_type(entry.driver)
    prefix = site.controller_prefix(controller)
    macros = {
        "P": prefix,
        "PORT": controller,
        "SUB": entry.subsystem,
        "NAME": controller,
        "NCH": str(kind.channels),
        "BIAS_MIN": str(kind.bias_min_V),
        "BIAS_MAX": str(kind.bias_max_V),
        "SCAN": "Passive",
    } | dict(kind.macros)
    records = [record for name in kind.controller_templates for record in load_template(templates / name, macros)]
    for number in range(1, kind.channels + 1):
        channel = macros | {"R": f"CH{number:02d}", "ADDR": str(number)}
        records += [record for name in kind.channel_templates for record in load_template(templates / name, channel)]
    return records


def service_records(site: Site, service: str) -> list[Record]:
    """Service PVs of one process; those of the alarm service with the tree's nodes of every channel."""
    templates = packaged_templates()
    kind = "alarms" if service == "alarms" else "ioc"
    macros = {"S": site.service_prefix(service), "NAME": service, "DET": site.file.prefix, "SCAN": "Passive"}
    records = load_substitutions(templates / f"{kind}.substitutions", (templates,), macros)
    if service == "alarms":
        for controller, entry in site.file.controllers.items():
            for number in range(1, controller_type(entry.driver).channels + 1):
                node = f"{site.file.prefix}:ALARM:{entry.subsystem}:{controller}:CH{number:02d}"
                records += load_template(templates / "alarm_node.template", {"P": node, "SCAN": "Passive"})
    return records


def write_database(records: Iterable[Record], path: Path) -> None:
    """Records as plain database text."""
    path.write_text(format_records(records), "utf-8")


def main(databases: list[str]) -> None:
    from epicscorelibs import ioc

    ioc.start_ioc(dbs=[(path, "") for path in databases], extra_dbd_load=(("asyn-soft.dbd", str(packaged_templates())),))
    sys.stdout.write("running\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1:])
