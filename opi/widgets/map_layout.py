"""Geometry of the heat map: which rectangle belongs to which channel. Pure, in pixels, no Qt."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from opi.detector import ControllerRow

WRAP = 32
"""Most channels in one line; a controller with more takes several lines."""
HEADING_PX = 17
"""Height of the line that names a subsystem."""
NUMBERS_PX = 15
"""Height of the line of channel numbers."""
GAP_PX = 14
"""Between two blocks."""
CELL_MAX = (96.0, 44.0)
"""Cells do not grow beyond this width and height."""
READABLE_PX = 22
"""Cells of this height need not grow."""
INFO_WIDE_PX = 176
INFO_NARROW_PX = 62
WIDE_BLOCK_PX = 560
"""Blocks at least this wide have room for the wide form of the controller's own text."""
MAX_BLOCKS = 8


@dataclass(frozen=True, slots=True)
class Rect:
    """A rectangle; origin at the top left."""

    x: float
    y: float
    width: float
    height: float

    def contains(self, x: float, y: float) -> bool:
        """Whether a point lies in it, the left and upper edge included."""
        return self.x <= x < self.x + self.width and self.y <= y < self.y + self.height


@dataclass(frozen=True, slots=True)
class Line:
    """One line of cells."""

    row: int
    """Index of the controller."""
    first: int
    """Index of its first channel."""
    count: int
    label: Rect
    cells: Rect
    """All cells together."""
    info: Rect
    """The controller's own text; only the first line of a controller uses it."""

    @property
    def bounds(self) -> Rect:
        """Label, cells and text."""
        return Rect(self.label.x, self.label.y, self.info.x + self.info.width - self.label.x, self.label.height)


@dataclass(frozen=True, slots=True)
class Heading:
    """The name of a subsystem."""

    text: str
    place: Rect


@dataclass(frozen=True, slots=True)
class Numbers:
    """The channel numbers on top of a block."""

    place: Rect


@dataclass(frozen=True, slots=True)
class MapLayout:
    """Where everything is."""

    cell_width: float
    columns: int
    wide_info: bool
    lines: tuple[Line, ...]
    headings: tuple[Heading, ...]
    numbers: tuple[Numbers, ...]

    def cell(self, line: Line, channel: int) -> Rect:
        """Rectangle of a channel in its line."""
        return Rect(line.cells.x + (channel - line.first) * self.cell_width, line.cells.y, self.cell_width, line.cells.height)

    def at(self, x: float, y: float) -> tuple[int, int] | None:
        """Controller and channel index at a point."""
        for line in self.lines:
            if line.cells.contains(x, y):
                channel = line.first + int((x - line.cells.x) / self.cell_width)
                return (line.row, channel) if channel < line.first + line.count else None
        return None

    def neighbour(self, row: int, channel: int, across: int, down: int) -> tuple[int, int]:
        """Controller and channel so many columns and lines away, as far as there are any."""
        here = next(n for n, line in enumerate(self.lines) if line.row == row and 0 <= channel - line.first < line.count)
        there = self.lines[min(max(here + down, 0), len(self.lines) - 1)]
        column = channel - self.lines[here].first + across
        return there.row, there.first + min(max(column, 0), there.count - 1)

    def row_at(self, x: float, y: float) -> int | None:
        """Controller whose line, label and text included, is at a point."""
        return next((line.row for line in self.lines if line.bounds.contains(x, y)), None)


@dataclass(frozen=True, slots=True)
class _Entry:
    """One line of cells, or the name of a subsystem where ``count`` is 0."""

    subsystem: str
    row: int = 0
    first: int = 0
    count: int = 0


def lay_out(rows: Sequence[ControllerRow], width: float, height: float, label_px: float) -> MapLayout:
    """Place all controllers in ``width`` x ``height`` so that cells are as large as can be, in as few blocks as that takes.

    Args:
        rows: controllers in the order they are shown.
        width: of the whole map.
        height: of the whole map.
        label_px: width of the longest controller name.
    """
    entries = list(_entries(rows))
    columns = max((entry.count for entry in entries), default=1)
    best: tuple[float, MapLayout] | None = None
    for blocks in range(1, min(MAX_BLOCKS, len(entries)) + 1):
        candidate = _place(entries, blocks, columns, width, height, label_px)
        line_height = candidate.lines[0].cells.height if candidate.lines else 0.0
        # A cell is only as readable as its shorter side, and beyond some size no more; a further block must pay for itself.
        score = min(line_height, candidate.cell_width * 1.3, READABLE_PX)
        if best is None or score > best[0] * 1.15:
            best = (score, candidate)
    if best is None:
        return MapLayout(0.0, columns, True, (), (), ())
    return best[1]


def _entries(rows: Sequence[ControllerRow]) -> Iterator[_Entry]:
    subsystem = ""
    for index, row in enumerate(rows):
        if row.subsystem != subsystem:
            subsystem = row.subsystem
            yield _Entry(subsystem)
        for first in range(0, row.channels, WRAP):
            yield _Entry(subsystem, index, first, min(WRAP, row.channels - first))


def _split(entries: Sequence[_Entry], blocks: int) -> list[list[_Entry]]:
    """Entries in blocks of nearly equal length; each begins with a heading, none ends with one."""
    per_block = math.ceil(len(entries) / blocks)
    out: list[list[_Entry]] = [[]]
    for index, entry in enumerate(entries):
        is_heading = not entry.count
        full = len(out[-1]) >= per_block
        lonely_heading = is_heading and len(out[-1]) == per_block - 1 and index < len(entries) - 1
        if (full or lonely_heading) and out[-1] and len(out) < blocks:
            out.append([] if is_heading else [_Entry(entry.subsystem)])
        out[-1].append(entry)
    return out


def _place(entries: Sequence[_Entry], blocks: int, columns: int, width: float, height: float, label_px: float) -> MapLayout:
    split = _split(entries, blocks)
    block_width = (width - GAP_PX * (len(split) - 1)) / len(split)
    wide = block_width >= WIDE_BLOCK_PX
    info_px = INFO_WIDE_PX if wide else INFO_NARROW_PX
    cell_width = min(max(block_width - label_px - info_px, columns) / columns, CELL_MAX[0])
    line_height = CELL_MAX[1]
    for block in split:
        headings = sum(not entry.count for entry in block)
        room = height - NUMBERS_PX - HEADING_PX * headings
        line_height = min(line_height, room / max(len(block) - headings, 1))
    line_height = max(line_height, 1.0)
    lines: list[Line] = []
    titles: list[Heading] = []
    numbers: list[Numbers] = []
    for number, block in enumerate(split):
        left = number * (block_width + GAP_PX)
        y = float(NUMBERS_PX)
        numbers.append(Numbers(Rect(left + label_px, 0.0, cell_width * columns, NUMBERS_PX)))
        for entry in block:
            if not entry.count:
                titles.append(Heading(entry.subsystem, Rect(left, y, block_width, HEADING_PX)))
                y += HEADING_PX
                continue
            cells = Rect(left + label_px, y, cell_width * entry.count, line_height)
            info = Rect(left + label_px + cell_width * columns, y, info_px, line_height)
            lines.append(Line(entry.row, entry.first, entry.count, Rect(left, y, label_px, line_height), cells, info))
            y += line_height
    return MapLayout(cell_width, columns, wide, tuple(lines), tuple(titles), tuple(numbers))
