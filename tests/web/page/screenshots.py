"""Makes the pictures of the page in the documentation, from the whole example with all its simulated channels.

.venv/bin/python -m tests.web.page.screenshots docs/img
"""

import random
import socket
import sys
import tempfile
from pathlib import Path

import yaml
from playwright.sync_api import Page, sync_playwright

from sipmdcs.channelstate import ChannelState
from sipmdcs.site import Site
from sipmdcs.supervise.demo_site import import_tables
from tests.system.conftest import copy_of_example
from tests.system.installation import Installation, wait_until
from tests.web.page.site import fill, ports_needed
from tests.web.page.visitor import ARGUMENTS, DESK, PATIENCE_MS

_MASKED = "PADME:EVETO:HV07:CH11"
_WARM_UP_S = 60


def main() -> None:
    """Start the example, cause a fault, take the pictures, stop it."""
    out = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder, copy_of_example(Path(folder) / "padme", _free_ports()) as installation:
        _switch_everything_on(installation)
        installation.run("sim", "fault", "HV23", "3", "extra-current", "5")
        installation.run("down", "eveto-b")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=list(ARGUMENTS))
            page = browser.new_page(viewport={"width": DESK[0], "height": DESK[1]})
            page.set_default_timeout(PATIENCE_MS)
            _take(page, installation, "#/overview", "a.cell.major", out / "page-overview.png")
            _take(page, installation, "#/downtimes?range=30d", ".pareto [role=listitem]", out / "page-downtimes.png")
            browser.close()


def _switch_everything_on(installation: Installation) -> None:
    path = installation.folder / "site.yaml"
    site = yaml.safe_load(path.read_text("utf-8")) | {"services": ["archiver", "alarms", "web"]}
    path.write_text(yaml.safe_dump(site, sort_keys=False), "utf-8")
    made = Site(installation.folder)
    import_tables(made, lambda _: None)
    fill(made)
    installation.run("up", timeout=300)
    installation.run("config", "push", "--message", "pictures", timeout=300)
    with installation.epics() as epics:
        epics.ask("put", values={f"{made.controller_prefix(name)}:ALL_ON": 1 for name in made.file.controllers})
        epics.ask("put", values={f"{_MASKED}:MASK": 1})

        names = [f"{made.controller_prefix(name)}:STATE" for name in made.file.controllers]

        def on() -> bool:
            return {reading["value"] for reading in epics.ask("get", names=names).values()} == {ChannelState.ON}

        wait_until(on, _WARM_UP_S * 2, "all channels are on")


def _take(page: Page, installation: Installation, view: str, proof: str, path: Path) -> None:
    page.goto(f"http://127.0.0.1:{installation.ports['web']}/{view}")
    page.locator(proof).first.wait_for()
    page.wait_for_timeout(4_000)
    page.screenshot(path=path)


def _free_ports() -> list[int]:
    found: list[int] = []
    while len(found) < ports_needed():
        port = random.randrange(10_000, 32_000)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.append(port)
    return found


if __name__ == "__main__":
    main()
