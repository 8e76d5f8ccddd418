"""A copy of the PADME-like example on free ports, its mail going to a real SMTP server."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from aiosmtpd.controller import Controller

from tests.system.installation import Installation, Mailbox

PROJECT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory, free_ports: Callable[[int], list[int]]) -> Iterator[Installation]:
    """The example, copied, on free ports, its mail going to a real SMTP server; not started yet, stopped at the end."""
    folder = tmp_path_factory.mktemp("site") / "padme"
    shutil.copytree(PROJECT / "examples" / "padme-like", folder, ignore=shutil.ignore_patterns("var"))
    *ports, smtp_port = free_ports(5)
    site = yaml.safe_load((folder / "site.yaml").read_text("utf-8"))
    site["channel_access"] = {"server_port": ports[0], "repeater_port": ports[1]}
    site["archiver"] = {"port": ports[2]}
    site["alarms"] = {"port": ports[3]}
    (folder / "site.yaml").write_text(yaml.safe_dump(site, sort_keys=False), "utf-8")
    notify = yaml.safe_load((folder / "notify.yaml").read_text("utf-8"))
    for channel in notify["channels"].values():
        channel |= {"kind": "smtp", "host": "127.0.0.1", "port": smtp_port}
        del channel["folder"]
    (folder / "notify.yaml").write_text(yaml.safe_dump(notify, sort_keys=False), "utf-8")
    mailbox = Mailbox()
    smtp = Controller(mailbox, hostname="127.0.0.1", port=smtp_port)
    smtp.start()
    site_running = Installation(folder, ports, mailbox)
    try:
        yield site_running
    finally:
        site_running.run("down", check=False)
        smtp.stop()
