"""Which site the demonstration runs, and making it ready."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path

import sipmdcs
from sipmdcs.errors import BadInput, ServiceError
from sipmdcs.site import SITE_FILE, Site
from sipmdcs.supervise.start import sipmdcs_command
from sipmdcs.supervise.stop import Report

EXAMPLE = "padme-like"


def shipped_example() -> Path:
    """Folder of the example that comes with the program.

    Raises:
        BadInput: the program was installed without its examples.
    """
    folder = Path(sipmdcs.__file__).parents[1] / "examples" / EXAMPLE
    if not (folder / SITE_FILE).is_file():
        raise BadInput("the example is not here; name a site folder: sipmdcs demo FOLDER", file=folder)
    return folder


def writable_site(folder: Path, report: Report) -> Site:
    """The site in ``folder``, or in a copy of it if its state cannot be kept there.

    Raises:
        BadInput: there is no site, or one of its controllers is not simulated: a demonstration sets and switches voltages.
    """
    site = Site(folder)
    for name, controller in site.file.controllers.items():
        if controller.port != "sim":
            message = f"is {controller.port}, and a demonstration runs simulated controllers only (sim)"
            raise BadInput(message, file=site.folder / SITE_FILE, key=f"controllers.{name}.port")
    if os.access(site.var if site.var.is_dir() else site.folder, os.W_OK | os.X_OK):
        return site
    copy = Path(tempfile.mkdtemp(prefix="sipmdcs-demo-")) / site.folder.name
    report(f"{site.folder} is not writable; using a copy in {copy}")
    shutil.copytree(site.folder, copy, ignore=shutil.ignore_patterns("var"))
    for path in (copy, *copy.rglob("*")):
        path.chmod(path.stat().st_mode | stat.S_IWUSR)  # the copy is as write-protected as the original
    return Site(copy)


def import_tables(site: Site, report: Report) -> bool:
    """Read the site's channel and cabling tables if its configuration database is empty.

    Returns:
        Whether the database holds settings now.

    Raises:
        ServiceError: the database cannot be used, or the tables cannot.
    """
    if json.loads(run_command(site, "config", "history", "--limit", "1", "--json"))["versions"]:
        return True
    channels = site.folder / "channels.csv"
    if not channels.is_file():
        report(f"no {channels.name} in {site.folder}: controllers keep the defaults of their templates")
        return False
    mappings = sorted(site.folder.glob("*_mapping.csv"))
    report(f"importing {', '.join(path.name for path in (channels, *mappings))}")
    options = [option for path in mappings for option in ("--mapping", str(path))]
    run_command(site, "config", "import", "--channels", str(channels), *options, "--message", "demonstration")
    return True


def run_command(site: Site, *arguments: str) -> str:
    """What a sub-command prints.

    Raises:
        ServiceError: it failed; the text is what it said.
    """
    done = subprocess.run(sipmdcs_command(site, *arguments), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        reason = done.stderr.strip().removeprefix("Error: ") or f"exit status {done.returncode}"
        raise ServiceError(f"{' '.join(arguments[:2])}: {reason}")
    return done.stdout
