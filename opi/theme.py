"""Colours, fonts and glyphs of every screen: the one place where they are named.

Grey and quiet while all is well; a saturated colour always means an alarm, and never comes without a glyph. ``style.qss``
takes its colours from here by name (``@minor``); painted widgets read ``PALETTE``.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib.resources import files
from string import Template

from sipmdcs.severity import Severity


@dataclass(frozen=True, slots=True)
class Palette:
    """Every colour in use, by what it means."""

    background: str = "#d4d4d4"
    card: str = "#dedede"
    card_border: str = "#b8b8b8"
    header: str = "#c9c9c9"
    text: str = "#202020"
    text_soft: str = "#5c5c5c"
    live: str = "#1f3f77"
    """A value that comes from a PV."""
    input: str = "#ffffff"
    pressed: str = "#c2c2c2"
    plot: str = "#ececec"
    plot_first: str = "#1f3f77"
    plot_second: str = "#6b6b6b"
    cell_low: str = "#f4f4f4"
    """Heat map at the low end of its scale."""
    cell_high: str = "#3d4552"
    """Heat map at the high end of its scale."""
    cell_border: str = "#9a9a9a"
    cell_blank: str = "#dedede"
    bar_track: str = "#cdcdcd"
    bar_normal: str = "#b9bfc9"
    minor: str = "#ffd75e"
    minor_border: str = "#b87f00"
    major: str = "#d40000"
    major_border: str = "#8a0000"
    invalid: str = "#b000b0"
    stale: str = "#6b6b6b"
    on_alarm: str = "#ffffff"
    """Text on a red or magenta fill."""


PALETTE = Palette()

TEXT_FONT = "DejaVu Sans"
VALUE_FONT = "DejaVu Sans Mono"
TEXT_PX = 12
"""Height of ordinary text. Pixels and a named family: otherwise layouts differ by 40 % between display systems."""


@dataclass(frozen=True, slots=True)
class AlarmStyle:
    """How one severity looks: fill, border, text on the fill, and the glyph that says the same without colour."""

    name: str
    glyph: str
    fill: str
    border: str
    text: str


ALARM_STYLES = {
    Severity.NO_ALARM: AlarmStyle("OK", "", PALETTE.card, PALETTE.card_border, PALETTE.text),
    Severity.MINOR: AlarmStyle("MINOR", "!", PALETTE.minor, PALETTE.minor_border, PALETTE.text),
    Severity.MAJOR: AlarmStyle("MAJOR", "▲", PALETTE.major, PALETTE.major_border, PALETTE.on_alarm),
    Severity.INVALID: AlarmStyle("INVALID", "?", PALETTE.invalid, PALETTE.invalid, PALETTE.on_alarm),
}

QUIET = ALARM_STYLES[Severity.NO_ALARM]
"""Nothing to see."""

UNDEFINED_STYLE = AlarmStyle("DISCONNECTED", "⌀", PALETTE.card, PALETTE.invalid, PALETTE.invalid)
"""Nobody answers: not an EPICS severity, but the fifth state of everything that is shown."""


class _At(Template):
    delimiter = "@"


@lru_cache(maxsize=1)
def stylesheet() -> str:
    """``style.qss`` with the names of colours and fonts filled in."""
    source = (files("opi") / "style.qss").read_text("utf-8")
    fonts = {"text_font": TEXT_FONT, "value_font": VALUE_FONT, "text_px": str(TEXT_PX)}
    return _At(source).substitute(asdict(PALETTE) | fonts)
