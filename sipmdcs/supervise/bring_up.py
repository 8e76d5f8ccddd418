"""Starting a site in front of a user."""

from __future__ import annotations

import click

from sipmdcs.errors import ServiceError
from sipmdcs.site import Site
from sipmdcs.supervise.signals import deaf_to_interrupts, interrupted_by_signals
from sipmdcs.supervise.start import describe_trouble, start_site
from sipmdcs.supervise.status import State
from sipmdcs.supervise.stop import stop_site


class NotReady(ServiceError):
    """Something does not become ready; what runs goes on running."""


def bring_up(site: Site, timeout_s: float) -> None:
    """Start the site with progress on the terminal; when interrupted, stop it again. The caller holds the site's lock.

    Raises:
        NotReady: something is not ready in time.
        ServiceError: nothing was started; the reason as of ``start_site``.
    """
    try:
        with interrupted_by_signals():
            status = start_site(site, click.echo, timeout_s)
    except KeyboardInterrupt:
        with deaf_to_interrupts():
            stop_site(site.folder, click.echo)
        raise
    idle = [service for service in status.services if service.state is not State.RUNNING]
    if idle:
        trouble = "\n".join(f"  {service.name} {describe_trouble(service)}" for service in idle)
        raise NotReady(f"not ready after {timeout_s:g} s:\n{trouble}")
    click.echo(f"{site.file.name}: all {len(status.services)} processes are ready")
