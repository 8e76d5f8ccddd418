"""Copies of the PADME-like example on free ports, their mail going to a real SMTP server."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from aiosmtpd.controller import Controller

from tests.system.installation import Installation, Mailbox

PROJECT = Path(__file__).parents[2]
LISTENERS: tuple[str, ...] = ("ca", "repeater", "archiver", "alarms", "logbook", "web", "memcached")


@contextmanager
def copy_of_example(folder: Path, ports: list[int], **keys: str) -> Iterator[Installation]:
    """The example in ``folder``, not started yet, stopped at the end.

    Args:
        folder: must not exist.
        ports: free ones for ``LISTENERS`` and the SMTP server.
        keys: of ``site.yaml``, to set.
    """
    shutil.copytree(PROJECT / "examples" / "padme-like", folder, ignore=shutil.ignore_patterns("var"))
    *rest, smtp_port = ports
    port = dict(zip(LISTENERS, rest, strict=True))
    site = yaml.safe_load((folder / "site.yaml").read_text("utf-8")) | keys
    site["channel_access"] = {"server_port": port["ca"], "repeater_port": port["repeater"]}
    site |= {name: {"port": port[name]} for name in LISTENERS[2:]}
    (folder / "site.yaml").write_text(yaml.safe_dump(site, sort_keys=False), "utf-8")
    notify = yaml.safe_load((folder / "notify.yaml").read_text("utf-8"))
    for channel in notify["channels"].values():
        channel |= {"kind": "smtp", "host": "127.0.0.1", "port": smtp_port}
        del channel["folder"]
    (folder / "notify.yaml").write_text(yaml.safe_dump(notify, sort_keys=False), "utf-8")
    mailbox = Mailbox()
    smtp = Controller(mailbox, hostname="127.0.0.1", port=smtp_port)
    smtp.start()
    installation = Installation(folder, port, mailbox)
    try:
        yield installation
    finally:
        installation.run("down", check=False)
        smtp.stop()


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory, free_ports: Callable[[int], list[int]]) -> Iterator[Installation]:
    """The example on SQLite."""
    with copy_of_example(tmp_path_factory.mktemp("site") / "padme", free_ports(len(LISTENERS) + 1)) as found:
        yield found
