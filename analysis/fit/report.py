"""What is said of one file: objects for programs, rows for people."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from analysis.fit.breakdown import Method
from analysis.fit.dark_count import zero_rate
from analysis.fit.raw_files import Counts
from analysis.fit.recipe import analyse
from analysis.fit.staircase import Step, staircase_crosstalk
from analysis.outcome import Kind, NoResult, Outcome

IV_COLUMNS = ("file", "method", "V_br / V", "remark")
SPECTRUM_COLUMNS = (
    "file",
    "gain / ADC",
    "pedestal / ADC",
    "noise / ADC",
    "mu",
    "lambda",
    "crosstalk / %",
    "chi2/ndf",
    "remark",
)
RATE_COLUMNS = ("file", "threshold / mV", "rate / Hz", "-ln P(0) / Hz", "var/mean", "remark")


@dataclass(frozen=True, slots=True)
class Report:
    """Of one file."""

    objects: tuple[Mapping[str, Any], ...]
    """For JSON, one per line."""
    rows: tuple[tuple[str, ...], ...]
    failed: bool
    """No result at all."""


def failure(file: str, reason: str, columns: Sequence[str]) -> Report:
    """Of a file that has no result."""
    return Report(({"file": file, "error": reason},), ((file, *[""] * (len(columns) - 2), reason),), True)


def iv_report(file: str, outcomes: Sequence[Outcome], methods: Sequence[Method]) -> Report:
    """Breakdown voltage by each method."""
    chosen = [outcome for outcome in outcomes if outcome.method in methods]
    reasons = {outcome.reason for outcome in chosen}
    if all(outcome.value is None for outcome in chosen) and len(reasons) == 1:
        return failure(file, chosen[0].reason, IV_COLUMNS)
    objects = tuple(
        {"file": file, "method": str(one.method), "error": one.reason}
        if one.value is None
        else {"file": file, "method": str(one.method), "vbr_V": one.value, "vbr_err_V": one.uncertainty} | _parts(one, "_V")
        for one in chosen
    )
    rows = tuple((file, str(one.method), with_error(one), one.reason or _remark(one)) for one in chosen)
    return Report(objects, rows, all(one.value is None for one in chosen))


def spectrum_report(file: str, outcomes: Sequence[Outcome]) -> Report:
    """Gain, pedestal, light and crosstalk."""
    by_name = {outcome.quantity: outcome for outcome in outcomes}
    gain, doubtful = by_name["gain"], by_name["mu"]
    if gain.value is None or doubtful.value is None:
        reason = gain.reason or f"{doubtful.reason} (gain {with_error(gain)} {gain.unit})"
        return failure(file, reason, SPECTRUM_COLUMNS)
    chi2, ndf = gain.number("chi2"), int(gain.number("ndf"))
    content = {
        "file": file,
        "gain_adc": gain.value,
        "gain_err_adc": gain.uncertainty,
        "pedestal_adc": by_name["pedestal"].value,
        "mu": doubtful.value,
        "lambda": by_name["lambda"].value,
        "lambda_err": by_name["lambda"].uncertainty,
        "lambda_statistical": by_name["lambda"].number("statistical"),
        "lambda_systematic": by_name["lambda"].number("systematic"),
        "mu_err": doubtful.uncertainty,
        "mu_statistical": doubtful.number("statistical"),
        "mu_systematic": doubtful.number("systematic"),
        "polarity": int(gain.number("polarity")),
        "branch": gain.quality["branch"],
        "chi2": chi2,
        "ndf": ndf,
    }
    names = ("gain", "pedestal", "noise", "mu", "lambda", "crosstalk")
    cells = [with_error(by_name[name]) for name in names]
    polarity = "positive" if gain.number("polarity") > 0 else "negative"
    remark = "; ".join(filter(None, [f"{polarity} pulses", _remark(gain)]))
    return Report((content,), ((file, *cells, f"{chi2:.0f}/{ndf}", remark),), False)


def rate_report(file: str, measured: Sequence[Counts], window_s: float | None) -> Report:
    """Rate of counts, at each threshold if there are several.

    Args:
        file: name to show.
        measured: of the file.
        window_s: instead of what the file says.
    """
    objects, rows, failed = [], [], True
    for one in measured:
        window = one.window_s if window_s is None else window_s
        conditions = {} if window is None else {"window_s": window}
        mean, zeros = analyse(Kind.DARK, one.counts, conditions)
        place = {} if one.threshold_mV is None else {"threshold_mV": one.threshold_mV}
        shown = "" if one.threshold_mV is None else f"{one.threshold_mV:g}"
        if mean.value is None:
            hint = "; give --window" if window is None else ""
            objects.append({"file": file, **place, "error": mean.reason + hint})
            rows.append((file, shown, "", "", "", mean.reason + hint))
            continue
        failed = False
        objects.append({"file": file, **place, "rate_Hz": mean.value, "rate_err_Hz": mean.uncertainty})
        spread = f"{mean.number('dispersion'):.3g}" if "dispersion" in mean.quality else ""
        rows.append((file, shown, with_error(mean), with_error(zeros), spread, _remark(mean)))
    return Report(tuple(objects), tuple(rows), failed)


def staircase_note(measured: Sequence[Counts], window_s: float | None, pixel_mV: float) -> str:
    """Crosstalk of a threshold scan in words, by the rates that chance bursts do not change."""
    steps = []
    try:
        for one in measured:
            if one.threshold_mV is None:
                raise NoResult("no thresholds in this file")
            steps.append(Step(one.threshold_mV, zero_rate(one.counts, one.window_s if window_s is None else window_s)))
        probability, error = staircase_crosstalk(steps, pixel_mV)
    except NoResult as reason:
        return f"no crosstalk: {reason}"
    return f"crosstalk R(1.5)/R(0.5) = {rounded(100 * probability, 100 * error)} %"


def _remark(outcome: Outcome) -> str:
    """How the value came about, as far as a reader must know."""
    if "upper_limit_Hz" in outcome.quality:
        return f"nothing counted: below {outcome.number('upper_limit_Hz'):.2g} Hz at 90 %"
    parts = [str(outcome.quality["branch"])] if "branch" in outcome.quality else []
    if outcome.number("systematic") > 0:
        parts.append(f"systematic {outcome.number('systematic'):.2g}")
    if (scale := outcome.number("scale", 1.0)) != 1.0:
        parts.append(f"uncertainty x {scale:.2g}, as the scatter says")
    return "; ".join(parts)


def _parts(outcome: Outcome, unit: str) -> dict[str, float | str]:
    """The parts of an uncertainty and the branch that was taken, for JSON."""
    named = {f"{name}{unit}": outcome.number(name) for name in ("statistical", "systematic") if name in outcome.quality}
    return named | ({"branch": outcome.quality["branch"]} if "branch" in outcome.quality else {})


def with_error(outcome: Outcome) -> str:
    """Value and uncertainty, rounded to two digits of the uncertainty, a systematic one apart; empty without a value."""
    if outcome.value is None or outcome.uncertainty is None:
        return ""
    statistical, systematic = outcome.number("statistical"), outcome.number("systematic")
    if outcome.quantity == "vbr" or not systematic > 0:
        return rounded(outcome.value, outcome.uncertainty)
    return f"{rounded(outcome.value, statistical)} ± {systematic:.2g} syst"


def rounded(value: float, error: float) -> str:
    """A value with its uncertainty, both to two digits of the uncertainty."""
    if not (error > 0 and math.isfinite(error)):
        return f"{value:.6g}"
    digits = 1 - math.floor(math.log10(error))
    if not -12 < digits < 10:
        return f"{value:.6g} ± {error:.2g}"
    shown = max(digits, 0)
    return f"{round(value, digits):.{shown}f} ± {round(error, digits):.{shown}f}"


def aligned(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table; columns that are empty in every row are left out."""
    used = [index for index in range(len(columns)) if index == 0 or any(row[index] for row in rows)]
    lines = [[line[index] for index in used] for line in (columns, *rows)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(used))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
