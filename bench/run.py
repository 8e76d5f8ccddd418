"""Every benchmark, one after the other.

Usage: ``python bench/run.py [NAME ...]``, names without ``.py``; all if left out.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
BENCHMARKS = (
    "capture",
    "ioc_startup",
    "ioc_base",
    "ioc_update",
    "archiver_storage",
    "settings",
    "spectra",
    "page",
    "refresh",
    "alarm_pvs",
    "paging",
    "http_replies",
    "at_rest",
)


def main(names: list[str]) -> int:
    """Run the named benchmarks; the exit status is 1 if one of them failed."""
    if unknown := sorted(set(names) - set(BENCHMARKS)):
        print(f"no benchmark {unknown[0]}, there are {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 2
    failed = []
    for name in names or BENCHMARKS:
        print(f"== {name}", flush=True)
        if subprocess.run([sys.executable, str(HERE / f"{name}.py")], check=False).returncode:
            failed.append(name)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
