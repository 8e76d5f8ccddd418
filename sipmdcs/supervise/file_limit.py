"""How many files and connections each process of a site may have open."""

from __future__ import annotations

import resource

from sipmdcs.supervise.stop import Report

WANTED = 65_536
"""Room for every connection that the services and IOCs accept at most, beside their own files."""
ENOUGH = 4_096
"""Below this, a site with many clients turns some away."""


def raise_file_limit(report: Report) -> None:
    """Raise the soft limit of open files of this process, which all that it starts inherits, as far as the hard one allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = WANTED if hard == resource.RLIM_INFINITY else min(WANTED, hard)
    if resource.RLIM_INFINITY != soft < limit:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
        report(f"each process may open {limit:,} files (the limit was {soft:,})")
    elif limit < ENOUGH:
        report(
            f"warning: each process may open {limit:,} files only, which limits its clients; to raise it: ulimit -Hn {WANTED}"
        )
