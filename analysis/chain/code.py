"""Which program made a result: version, and hash of everything that the fits are made of."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from importlib.resources import files

from sipmdcs import __version__


@cache
def code_version() -> str:
    """Such as ``0.1.0 fit-3f2a91c07be4``: two results with the same text were made by the same code with the same settings.

    The settings of the fits are constants of their modules, so the hash is over the text of ``analysis.fit``.
    """
    digest = sha256()
    for module in sorted(files("analysis.fit").iterdir(), key=lambda file: file.name):
        if module.name.endswith(".py"):
            digest.update(module.name.encode() + b"\0" + module.read_bytes() + b"\0")
    return f"{__version__} fit-{digest.hexdigest()[:12]}"
