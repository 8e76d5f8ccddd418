"""Sub-command ``analyse``: breakdown voltage, finger spectrum and dark count rate from files."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from analysis.outcome import Kind
from sipmdcs.cli import Invocation
from sipmdcs.command_examples import examples
from sipmdcs.errors import BadInput, DcsError

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from analysis.fit.report import Report

METHODS = ("ild", "log-derivative", "sqrt", "tangent")
"""Values of ``analysis.fit.breakdown.Method``, which costs more to import than ``--help`` may take."""
POLARITIES = {"positive": 1.0, "negative": -1.0}
PLOTS = (".png", ".svg")


@dataclass(frozen=True, slots=True)
class Storing:
    """Where results go besides the screen."""

    wanted: bool
    channel: str | None
    run: int | None


def _common(command: Callable[..., None]) -> Callable[..., None]:
    """Arguments and options of every kind of file."""
    for option in reversed(
        (
            click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE..."),
            click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line."),
            click.option(
                "--plot",
                type=click.Path(path_type=Path),
                help="Draw into this PNG or SVG file; of several files, into this folder.",
            ),
            click.option("--store", "wanted", is_flag=True, help="Hand the file to the analysis chain of the site as well."),
            click.option("--channel", metavar="PVPREFIX", help="With --store: the channel, such as DET:SUB:HV01:CH01."),
            click.option("--run", type=click.IntRange(0, 2**31 - 1), help="With --store: number of the run it belongs to."),
        )
    ):
        command = option(command)
    return command


_temperature = click.option("--temperature", type=float, metavar="DEGC", help="With --store: temperature of the SiPM in °C.")
_overvoltage = click.option("--overvoltage", type=float, metavar="VOLT", help="With --store: bias above breakdown in V.")


@click.group(
    epilog=examples(
        "sipmdcs analyse iv curve.txt",
        "sipmdcs analyse spectrum charges.txt --plot spectrum.png",
        "sipmdcs analyse dark counts.txt --json",
    ),
)
def analyse() -> None:
    """Breakdown voltage, gain and dark count rate from files."""


@analyse.command(
    epilog=examples(
        "sipmdcs analyse iv curve.txt",
        "sipmdcs analyse iv scan/*.txt --method all --json",
        "sipmdcs analyse iv curve.txt --plot curve.png",
    ),
)
@_common
@click.option(
    "--method",
    type=click.Choice([*METHODS, "all"]),
    default="ild",
    show_default=True,
    help="How to find the breakdown voltage.",
)
@_temperature
@click.pass_obj
def iv(
    invocation: Invocation,
    *,
    files: tuple[Path, ...],
    method: str,
    as_json: bool,
    plot: Path | None,
    wanted: bool,
    channel: str | None,
    run: int | None,
    temperature: float | None,
) -> None:
    """Find the breakdown voltage in IV curves: two columns, volt and ampere."""
    from analysis.fit.breakdown import Method
    from analysis.fit.raw_files import read_iv
    from analysis.fit.recipe import analyse as analyse_raw
    from analysis.fit.report import IV_COLUMNS, iv_report

    methods = list(Method) if method == "all" else [Method(method)]

    def one(file: Path) -> tuple[Report, NDArray[np.float64], Callable[[], Figure]]:
        array = read_iv(file)
        report = iv_report(str(file), analyse_raw(Kind.IV, array, {}), methods)

        def draw() -> Figure:
            from analysis.fit.iv_plot import draw_iv

            return draw_iv(array, methods, file.name)

        return report, array, draw

    storing = _Store(invocation, Storing(wanted, channel, run), Kind.IV, _known(temperature_C=temperature))
    _run(files, one, IV_COLUMNS, as_json=as_json, plot=plot, storing=storing)


@analyse.command(
    epilog=examples(
        "sipmdcs analyse spectrum charges.txt --plot spectrum.svg",
        "sipmdcs analyse spectrum charges.txt --store --channel PADME:PVETO:HV13:CH01 --run 7 --overvoltage 5",
    ),
)
@_common
@click.option("--polarity", type=click.Choice(list(POLARITIES)), help="Of the pulses, where a cut spectrum does not tell.")
@click.option("--electrons-per-adc", type=float, help="With --store: electrons per ADC count.")
@_temperature
@_overvoltage
@click.pass_obj
def spectrum(
    invocation: Invocation,
    *,
    files: tuple[Path, ...],
    as_json: bool,
    plot: Path | None,
    wanted: bool,
    channel: str | None,
    run: int | None,
    polarity: str | None,
    electrons_per_adc: float | None,
    temperature: float | None,
    overvoltage: float | None,
) -> None:
    """Fit finger spectra: one charge per line, in ADC counts, pulses of either polarity."""
    from analysis.fit.raw_files import read_charges
    from analysis.fit.recipe import analyse as analyse_raw
    from analysis.fit.report import SPECTRUM_COLUMNS, spectrum_report

    stated = _known(polarity=None if polarity is None else POLARITIES[polarity])

    def one(file: Path) -> tuple[Report, NDArray[np.float64], Callable[[], Figure]]:
        array = read_charges(file)
        report = spectrum_report(str(file), analyse_raw(Kind.SPECTRUM, array, stated))

        def draw() -> Figure:
            from analysis.fit.spectrum_plot import draw_spectrum

            return draw_spectrum(array, file.name, stated)

        return report, array, draw

    conditions = stated | _known(electrons_per_adc=electrons_per_adc, temperature_C=temperature, overvoltage_V=overvoltage)
    storing = _Store(invocation, Storing(wanted, channel, run), Kind.SPECTRUM, conditions)
    _run(files, one, SPECTRUM_COLUMNS, as_json=as_json, plot=plot, storing=storing)


@analyse.command(
    epilog=examples(
        "sipmdcs analyse dark counts.txt --json",
        "sipmdcs analyse dark counts.txt --window 1e-6",
    ),
)
@_common
@click.option("--window", type=float, metavar="SECONDS", help="Length of a window, if not as the file says.")
@click.option("--pixel", type=float, metavar="MV", help="Of a threshold scan: height of the pulse of one pixel, for crosstalk.")
@_temperature
@_overvoltage
@click.pass_obj
def dark(
    invocation: Invocation,
    *,
    files: tuple[Path, ...],
    as_json: bool,
    plot: Path | None,
    wanted: bool,
    channel: str | None,
    run: int | None,
    window: float | None,
    pixel: float | None,
    temperature: float | None,
    overvoltage: float | None,
) -> None:
    """Find the dark count rate: pulses in a window on each line, or a LabVIEW counter scan over thresholds."""
    from analysis.fit.raw_files import Counts, read_counts
    from analysis.fit.report import RATE_COLUMNS, rate_report, staircase_note

    conditions = _known(temperature_C=temperature, overvoltage_V=overvoltage)
    storing = _Store(invocation, Storing(wanted, channel, run), Kind.DARK, conditions)

    def single(measured: Sequence[Counts], file: Path) -> NDArray[np.float64]:
        if len(measured) > 1:
            raise BadInput("a scan of thresholds is no dark count of a channel and is not stored", file=file)
        seconds = measured[0].window_s if window is None else window
        if seconds is None:
            raise BadInput("the length of the window is not known; give --window", file=file)
        storing.conditions = conditions | {"window_s": seconds}
        return measured[0].counts

    def one(file: Path) -> tuple[Report, NDArray[np.float64] | None, Callable[[], Figure]]:
        measured = read_counts(file)
        report = rate_report(str(file), measured, window)
        if pixel is not None:
            click.echo(f"{file}: {staircase_note(measured, window, pixel)}", err=True)

        def draw() -> Figure:
            from analysis.fit.counts_plot import draw_counts

            return draw_counts(measured, window, file.name)

        return report, single(measured, file) if wanted else None, draw

    _run(files, one, RATE_COLUMNS, as_json=as_json, plot=plot, storing=storing)


def _known(**conditions: float | None) -> dict[str, float]:
    return {name: value for name, value in conditions.items() if value is not None}


class _Store:
    """Hands files to the chain, if that was asked for."""

    def __init__(self, invocation: Invocation, options: Storing, kind: Kind, conditions: Mapping[str, float]) -> None:
        if options.wanted and options.channel is None:
            raise click.UsageError("--store needs --channel, the PV prefix of the channel.")
        if not options.wanted and (options.channel is not None or options.run is not None):
            raise click.UsageError("--channel and --run belong to --store.")
        self._options = options
        self._raw_folder = invocation.site.raw_folder if options.wanted else None
        self._kind = kind
        self.conditions: Mapping[str, float] = conditions

    def __call__(self, file: Path, array: NDArray[np.float64]) -> None:
        if self._raw_folder is None or self._options.channel is None:
            return
        from analysis.fit.store import store

        key = store(
            self._raw_folder,
            file,
            array,
            kind=self._kind,
            channel=self._options.channel,
            run=self._options.run,
            conditions=self.conditions,
        )
        click.echo(f"{file}: delivered as {key}", err=True)


def _run(
    files: Sequence[Path],
    one: Callable[[Path], tuple[Report, NDArray[np.float64] | None, Callable[[], Figure]]],
    columns: Sequence[str],
    *,
    as_json: bool,
    plot: Path | None,
    storing: _Store,
) -> None:
    """Analyse each file, print what comes out, and end with status 1 if one of them has no result."""
    from analysis.fit.report import aligned, failure

    plots = _plot_files(files, plot)
    rows: list[Sequence[str]] = []
    failed = False
    for file in files:
        try:
            report, array, draw = one(file)
            if (target := plots.get(file)) is not None:
                from analysis.fit.canvas import save

                save(draw(), target)
            if array is not None:
                storing(file, array)
        except DcsError as err:
            report = failure(str(file), str(err), columns)
        failed |= report.failed
        if as_json:
            for content in report.objects:
                click.echo(json.dumps(_plain(content), ensure_ascii=False))
        elif report.failed:
            for content in report.objects:
                # some messages begin with the file and line already
                place = "" if content["error"].startswith(content["file"]) else f"{content['file']}: "
                click.echo(f"{place}{content['error']}", err=True)
        else:
            rows += report.rows
    if rows:
        click.echo("\n".join(aligned(columns, rows)))
    if failed:
        click.get_current_context().exit(1)


def _plain(content: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value if isinstance(value, str | int) else float(value) for name, value in content.items()}


def _plot_files(files: Sequence[Path], plot: Path | None) -> dict[Path, Path]:
    """Which plot goes where: the file itself for one, files named after the measurements in a folder for more."""
    if plot is None:
        return {}
    if plot.suffix.lower() in PLOTS:
        if len(files) > 1:
            raise click.UsageError(f"--plot {plot}: of several files, name a folder.")
        return {files[0]: plot}
    if len(files) == 1 and plot.suffix and not plot.is_dir():
        raise click.UsageError(f"--plot {plot}: a plot ends in {' or '.join(PLOTS)}.")
    targets: dict[Path, Path] = {}
    for file in dict.fromkeys(files):
        name, number = file.stem, 1
        while plot / f"{name}.png" in targets.values():
            number += 1
            name = f"{file.stem}-{number}"
        targets[file] = plot / f"{name}.png"
    return targets
