"""Sub-command ``memcached``: the hot cache as a supervised service."""

from __future__ import annotations

import asyncio

import click

from sipmdcs.cli import pass_site
from sipmdcs.command_examples import examples
from sipmdcs.site import Site


@click.command(
    epilog=examples(
        "sipmdcs memcached --memory 256",
    ),
)
@click.option("--memory", "memory_MB", type=click.IntRange(1, 65_536), default=64, show_default=True, help="MB for entries.")
@click.option("--connections", type=click.IntRange(10, 65_536), default=1024, show_default=True, help="Clients at once.")
@pass_site
def memcached(site: Site, *, memory_MB: int, connections: int) -> None:
    """Run the hot cache: memcached on the site's port, as a child of this service."""
    from agents.memcached_service import run_memcached

    asyncio.run(run_memcached(site, memory_MB, connections))
