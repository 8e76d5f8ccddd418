"""Files that people name, read whole: never more than fits, whatever they are."""

from __future__ import annotations

from pathlib import Path

from sipmdcs.errors import BadInput


def read_whole(file: Path, most_bytes: int) -> bytes:
    """The content of a file, pipe or device.

    Args:
        file: any path.
        most_bytes: more is refused before it is read.

    Raises:
        BadInput: it cannot be read, or has more.
    """
    try:
        with file.open("rb") as source:
            content = source.read(most_bytes + 1)
    except OSError as err:
        raise BadInput(f"cannot be read: {err.strerror or err}", file=file) from err
    if len(content) > most_bytes:
        raise BadInput(f"has more than {most_bytes // 1_000_000:,} MB, the most that is read", file=file)
    return content


def read_text(file: Path, most_bytes: int) -> str:
    """The same as text in UTF-8, with or without a byte-order mark; line ends are as they are.

    Raises:
        BadInput: as ``read_whole``, or it is not UTF-8.
    """
    content = read_whole(file, most_bytes)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as err:
        line = content[: err.start].count(b"\n") + 1
        raise BadInput(f"byte 0x{content[err.start]:02x} is not UTF-8", file=file, line=line) from err
