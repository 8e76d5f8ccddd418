"""What a measurement ran on; printed by every benchmark before its figures."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path

import psutil

GIB = 1 << 30


def describe_machine(*packages: str) -> str:
    """One line: cores, processor, memory, Python and the versions of ``packages``."""
    model = "unknown processor"
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        model = names[0] if names else model
    parts = [
        f"{os.cpu_count()} cores {model}",
        f"{psutil.virtual_memory().total / GIB:.0f} GiB",
        f"{platform.system()} {platform.machine()}",
        f"Python {platform.python_version()}",
        *(f"{package} {version(package)}" for package in packages),
    ]
    return "machine: " + ", ".join(parts)


if __name__ == "__main__":
    print(describe_machine())
