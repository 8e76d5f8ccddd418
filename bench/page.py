"""Processor time of Chromium per refresh of the web page with 1,008 channels.

    python bench/page.py [--seconds 30]

63 controllers of 16 channels are served by a Channel Access server in a process of its own, every value new each second; the
real web service answers a real Chromium that shows the overview. Counted is the processor time of all processes of Chromium,
less what they spend in the same time while the page is hidden; and, of that, the time of scripts as the browser counts it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import psutil
import yaml

CONTROLLERS = 63
CHANNELS = 16

SUBSYSTEMS = ("PVETO", "EVETO", "HEPVETO", "TARGET")


def make_site(folder: Path, count: int = CONTROLLERS, services: Sequence[str] = ("web",), **keys: object) -> None:
    """A site folder of ``count`` controllers with its rendered files; nothing of it runs."""
    names = [f"HV{number:02d}" for number in range(1, count + 1)]
    controllers = {
        name: {"driver": "padme-nim", "id": str(index), "subsystem": SUBSYSTEMS[index * 4 // count], "port": "sim"}
        for index, name in enumerate(names)
    }
    ports = random.sample(range(10_000, 32_000), 7)
    site = {
        "name": "page",
        "prefix": "BENCH",
        "controllers": controllers,
        "iocs": {"all": {"controllers": names}},
        "services": [*services],
        "channel_access": {"server_port": ports[0], "repeater_port": ports[1]},
    } | {
        name: {"port": port}
        for name, port in zip(("archiver", "alarms", "logbook", "web", "memcached"), ports[2:], strict=True)
    }
    folder.mkdir()
    (folder / "site.yaml").write_text(yaml.safe_dump(site | keys, sort_keys=False), "utf-8")
    shutil.copy(Path(__file__).parents[1] / "examples" / "padme-like" / "alarms.yaml", folder)


def serve_channels(folder: Path, *, followed: bool) -> None:
    """Publish every record of the site, or those alone that the page shows, with new values each second, until killed."""
    from sipmdcs.publisher import open_publisher
    from sipmdcs.site import Site
    from web.live_rows import live_names
    from web.plant import read_plant

    site = Site(folder)
    os.environ.update(site.ca_environment())
    shown = set(live_names(read_plant(site)))
    publisher = open_publisher([record for record in site.ioc_records("all") if not followed or record.name in shown])
    prefixes = [
        f"{site.controller_prefix(name)}:CH{number:02d}" for name in site.file.controllers for number in range(1, CHANNELS + 1)
    ]
    chance = random.Random(1)

    async def play() -> None:
        beat = 0
        while True:
            beat += 1
            values: dict[str, float] = {}
            for prefix in prefixes:
                values |= {
                    f"{prefix}:VMON_RBV": 56.8 + chance.gauss(0, 0.5),
                    f"{prefix}:BIAS_RBV": 56.8,
                    f"{prefix}:CURRENT_RBV": 0.1 + chance.gauss(0, 0.01),
                    f"{prefix}:TEMP_RBV": 25 + chance.gauss(0, 0.5),
                    f"{prefix}:OVERVOLTAGE_RBV": 4 + chance.gauss(0, 0.2),
                    f"{prefix}:STATE": 4,
                    f"{prefix}:TRIP": 0,
                    f"{prefix}:ENABLE_RBV": 1,
                }
            beats = {f"{site.controller_prefix(name)}:HEARTBEAT": beat for name in site.file.controllers}
            publisher.post(values | beats)
            await asyncio.sleep(1)

    async def both() -> None:
        await asyncio.gather(publisher.run(), play())

    asyncio.run(both())


def measure(url: str, seconds: float) -> None:
    """Open the overview, count, print."""
    from playwright.sync_api import expect, sync_playwright

    arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
    program = shutil.which("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=arguments)
        page = browser.new_page(viewport={"width": 1920, "height": 1080})
        page.goto(url)
        expect(page.locator("a.cell.value")).to_have_count(CONTROLLERS * CHANNELS, timeout=120_000)
        page.wait_for_timeout(5_000)
        metrics = page.context.new_cdp_session(page)
        metrics.send("Performance.enable")
        refreshes = [0]
        page.on("response", lambda answer: refreshes.__setitem__(0, refreshes[0] + ("/channels" in answer.url)))

        def scripts() -> float:
            return next(m["value"] for m in metrics.send("Performance.getMetrics")["metrics"] if m["name"] == "ScriptDuration")

        def spent() -> float:
            return sum(_cpu(process) for process in psutil.Process().children(recursive=True))

        at, scripted = spent(), scripts()
        page.wait_for_timeout(seconds * 1000)
        shown, scripted, count = spent() - at, scripts() - scripted, refreshes[0]
        page.evaluate(
            "() => { Object.defineProperty(document, 'hidden', { get: () => true });"
            " document.dispatchEvent(new Event('visibilitychange')); }"
        )
        at = spent()
        page.wait_for_timeout(seconds * 1000)
        hidden = spent() - at
        browser.close()
    each = 1000 * (shown - hidden) / count
    print(f"{count} refreshes of {CONTROLLERS * CHANNELS} channels in {seconds:.0f} s, every value new")
    print(f"processor time of Chromium per refresh: {each:.0f} ms")
    print(f"of which scripts {1000 * scripted / count:.0f} ms")
    print(f"that is {100 * (shown - hidden) / seconds:.1f} % of a core while shown; hidden {100 * hidden / seconds:.1f} %")


def _cpu(process: psutil.Process) -> float:
    """Of a process of Chromium, seconds; what plays the channels and the web service are none."""
    try:
        if "chrom" not in process.name():
            return 0.0
        times = process.cpu_times()
    except psutil.Error:
        return 0.0
    return times.user + times.system


def main() -> None:
    """Start everything, measure, stop everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--followed", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve_channels(options.serve, followed=options.followed)
        return
    from machine import describe_machine

    print(describe_machine("playwright"))
    sipmdcs = str(Path(sys.executable).with_name("sipmdcs"))
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / "site"
        make_site(folder)
        environment = os.environ | {"SIPMDCS_SITE": str(folder)}
        subprocess.run([sipmdcs, "config", "render"], env=environment, check=True, capture_output=True)
        started = [
            subprocess.Popen([sys.executable, __file__, "--serve", str(folder)]),
            subprocess.Popen([sipmdcs, "web"], env=environment, stderr=subprocess.DEVNULL),
        ]
        try:
            port = yaml.safe_load((folder / "site.yaml").read_text("utf-8"))["web"]["port"]
            _wait_for(port)
            measure(f"http://127.0.0.1:{port}/", options.seconds)
        finally:
            for process in started:
                process.send_signal(signal.SIGTERM)
            for process in started:
                process.wait(timeout=30)


def _wait_for(port: int) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.5)
    sys.exit("the web service does not answer")


if __name__ == "__main__":
    main()
