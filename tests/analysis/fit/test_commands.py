import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from analysis.chain.rawfile import unpack
from analysis.fit.report import rounded
from analysis.outcome import Kind
from sipmdcs.cli import main
from tests.analysis.fit.samples import curve, spectrum

SITE = """\
name: Bench
prefix: LAB
services: [analysis]
controllers:
  PS1: {driver: c11204, id: "1", subsystem: BENCH, port: sim}
iocs:
  bench: {controllers: [PS1]}
"""


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """One good file of each kind, and one without a result."""
    rng = np.random.default_rng(70)
    paths = {name: tmp_path / f"{name}.csv" for name in ("iv", "flat", "spectrum", "dark", "garbage")}
    np.savetxt(paths["iv"], curve(rng), delimiter=";")
    np.savetxt(paths["flat"], curve(rng, vbr=70.0), delimiter=";")
    np.savetxt(paths["spectrum"], spectrum(rng))
    np.savetxt(paths["dark"], rng.poisson(0.5, 1000), header="time range 1e-3")
    paths["garbage"].write_text("1\nwhat?\n")
    return paths


def run(*arguments: object):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def objects(result):
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_json_of_an_iv_curve(files):
    result = run("analyse", "iv", files["iv"], "--json")
    assert result.exit_code == 0
    (found,) = objects(result)
    assert set(found) == {"file", "method", "vbr_V", "vbr_err_V", "statistical_V", "systematic_V", "branch"}
    assert found["branch"] in ("straight", "bent")
    assert found["vbr_err_V"] == pytest.approx(np.hypot(found["statistical_V"], found["systematic_V"]))
    assert (found["file"], found["method"]) == (str(files["iv"]), "ild")
    assert found["vbr_V"] == pytest.approx(51.3, abs=0.05)
    every = objects(run("analyse", "iv", files["iv"], "--json", "--method", "all"))
    assert [one["method"] for one in every] == ["ild", "log-derivative", "sqrt", "tangent"]
    assert every[0] == found
    (one,) = objects(run("analyse", "iv", files["iv"], "--json", "--method", "sqrt"))
    assert one == every[2]


def test_json_of_a_spectrum(files):
    (found,) = objects(run("analyse", "spectrum", files["spectrum"], "--json"))
    numbers = {"gain_adc", "gain_err_adc", "pedestal_adc", "chi2", "ndf", "polarity"}
    parts = {f"{name}{part}" for name in ("mu", "lambda") for part in ("", "_err", "_statistical", "_systematic")}
    assert set(found) == {"file", "branch"} | numbers | parts
    assert found["lambda_err"] == pytest.approx(np.hypot(found["lambda_statistical"], found["lambda_systematic"]))
    assert (found["branch"], found["polarity"]) == ("whole", 1)
    (stated,) = objects(run("analyse", "spectrum", files["spectrum"], "--json", "--polarity", "positive"))
    assert stated["gain_adc"] == found["gain_adc"]
    assert found["gain_adc"] == pytest.approx(20, abs=0.2)
    assert isinstance(found["ndf"], int)


def test_json_of_counts(files):
    (found,) = objects(run("analyse", "dark", files["dark"], "--json"))
    assert set(found) == {"file", "rate_Hz", "rate_err_Hz"}
    assert found["rate_Hz"] == pytest.approx(500, abs=5 * found["rate_err_Hz"])
    (longer,) = objects(run("analyse", "dark", files["dark"], "--json", "--window", "2e-3"))
    assert longer["rate_Hz"] == pytest.approx(found["rate_Hz"] / 2)


def test_a_file_without_a_result_is_an_error_and_the_others_are_done(files, tmp_path):
    missing = tmp_path / "missing.csv"
    result = run("analyse", "iv", files["flat"], files["garbage"], missing, files["iv"], "--json")
    assert result.exit_code == 1
    flat, garbage, nothing, good = objects(result)
    assert set(flat) == set(garbage) == set(nothing) == {"file", "error"}
    assert "no breakdown between 50 and 56.4 V" in flat["error"]
    assert garbage["error"] == f"{files['garbage']}:2: 'what?' is no number; expected a finite one"
    assert "No such file" in nothing["error"]
    assert good["vbr_V"]
    every = run("analyse", "iv", files["flat"], "--method", "all", "--json")
    assert every.exit_code == 1
    assert len(objects(every)) == 1


def test_the_table_is_for_people(files):
    result = run("analyse", "iv", files["iv"], files["flat"], "--method", "all")
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert lines[0].split()[:2] == ["file", "method"]
    assert len(lines) == 5
    assert "51.3" in lines[1] or "51.2" in lines[1]
    assert "systematic" in lines[1]
    assert result.stderr.startswith(f"{files['flat']}: no breakdown")
    assert result.stderr.count("\n") == 1
    only_garbage = run("analyse", "dark", files["garbage"])
    assert (only_garbage.exit_code, only_garbage.stdout) == (1, "")
    assert only_garbage.stderr == f"{files['garbage']}:2: 'what?' is no number; expected a finite one\n"
    assert "20." in run("analyse", "spectrum", files["spectrum"]).stdout


def test_a_window_nobody_knows_is_asked_for(tmp_path):
    file = tmp_path / "counts.txt"
    file.write_text("0\n1\n0\n")
    result = run("analyse", "dark", file)
    assert result.exit_code == 1
    assert "window is not known; give --window" in result.stderr
    assert run("analyse", "dark", file, "--window", "1").exit_code == 0
    assert "longer than 0 s" in run("analyse", "dark", file, "--window", "0").stderr


@pytest.mark.timeout(180)
def test_plots(files, tmp_path):
    picture = tmp_path / "new" / "plot.png"
    assert run("analyse", "iv", files["iv"], "--plot", picture, "--method", "all").exit_code == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    drawing = tmp_path / "plot.svg"
    for kind in ("spectrum", "dark"):
        assert run("analyse", kind, files[kind], "--plot", drawing).exit_code == 0
        text = drawing.read_text()
        assert f"{kind}.csv" in text
        assert {"spectrum": "pedestal", "dark": "Poisson law of mean"}[kind] in text
    folder = tmp_path / "plots"
    assert run("analyse", "iv", files["iv"], files["flat"], "--plot", folder).exit_code == 1
    assert sorted(path.name for path in folder.iterdir()) == ["flat.png", "iv.png"], "why there is no result is drawn as well"
    flat = tmp_path / "flat.svg"
    run("analyse", "iv", files["flat"], "--plot", flat)
    assert "no breakdown" in flat.read_text()
    for wrong in ([files["iv"], files["flat"], "--plot", picture], [files["iv"], "--plot", "plot.pdf"]):
        assert run("analyse", "iv", *wrong).exit_code == 2


def test_a_plot_that_cannot_be_written_is_said(files, tmp_path):
    (tmp_path / "file").write_text("")
    result = run("analyse", "iv", files["iv"], "--plot", tmp_path / "file" / "plot.png")
    assert result.exit_code == 1
    assert "the plot cannot be written" in result.stderr
    assert "Traceback" not in result.stderr


def test_files_are_stored_as_any_other_raw_result(files, tmp_path):
    site = tmp_path / "site"
    site.mkdir()
    (site / "site.yaml").write_text(SITE)
    channel = ("--store", "--channel", "LAB:BENCH:PS1:CH01", "--run", "7")
    for kind, more in (("iv", ["--temperature", "25"]), ("spectrum", ["--electrons-per-adc", "4e4"]), ("dark", [])):
        for _ in range(2):
            result = run("--site", site, "analyse", kind, files[kind], *channel, *more, "--json")
            assert result.exit_code == 0, result.stderr
            assert "delivered as file-" in result.stderr
            assert len(objects(result)) == 1
    delivered = {raw.kind: raw for path in (site / "var" / "raw" / "inbox").glob("*.npz") if (raw := unpack(path.read_bytes()))}
    assert set(delivered) == set(Kind), "the same numbers twice are one"
    assert len(list((site / "var" / "raw" / "inbox").iterdir())) == 3
    assert {raw.channel for raw in delivered.values()} == {"LAB:BENCH:PS1:CH01"}
    assert {raw.run for raw in delivered.values()} == {7}
    assert delivered[Kind.IV].conditions == {"temperature_C": 25}
    assert delivered[Kind.SPECTRUM].conditions == {"electrons_per_adc": 4e4}
    assert delivered[Kind.DARK].conditions == {"window_s": 1e-3}
    assert delivered[Kind.DARK].taken_at.timestamp() == pytest.approx(files["dark"].stat().st_mtime, abs=1e-3)


def test_no_count_at_all_is_a_limit_for_people_too(tmp_path):
    file = tmp_path / "counts.txt"
    file.write_text("0\n" * 100)
    assert "nothing counted: below 2.3e+04 Hz at 90 %" in run("analyse", "dark", file, "--window", "1e-6").stdout


def test_what_is_asked_wrongly(files, tmp_path):
    assert run("analyse", "iv").exit_code == 2
    assert run("analyse", "iv", files["iv"], "--method", "guess").exit_code == 2
    assert "--channel" in run("analyse", "iv", files["iv"], "--store").stderr
    assert "--store" in run("analyse", "iv", files["iv"], "--run", "3").stderr
    (tmp_path / "site.yaml").write_text(SITE)
    bad = run("--site", tmp_path, "analyse", "iv", files["iv"], "--store", "--channel", "no channel")
    assert bad.exit_code == 1
    assert "PV prefix" in bad.stderr


def test_a_counter_scan_has_a_rate_per_threshold(tmp_path):
    rng = np.random.default_rng(71)
    means = (3.0, 3.0, 0.3, 0.3)
    rows = [[4, 6, 14, 16], [1000] * 4, [500] * 4, *np.stack([rng.poisson(mean, 500) for mean in means], axis=1).tolist()]
    file = tmp_path / "scan.txt"
    file.write_text("".join("\t".join(map(str, row)) + "\t\r\n" for row in rows))
    result = run("analyse", "dark", file, "--json", "--pixel", "10", "--plot", tmp_path / "scan.png")
    assert result.exit_code == 0
    assert [one["threshold_mV"] for one in objects(result)] == [4, 6, 14, 16]
    assert "crosstalk R(1.5)/R(0.5)" in result.stderr
    (tmp_path / "site.yaml").write_text(SITE)
    stored = run("--site", tmp_path, "analyse", "dark", file, "--store", "--channel", "LAB:BENCH:PS1:CH01")
    assert "is not stored" in stored.stderr


def test_help_loads_no_numerics():
    code = (
        "import sys; from sipmdcs.cli import main\n"
        "for words in (['analyse', '--help'], ['analyse', 'iv', '--help']):\n"
        "    main(words, standalone_mode=False)\n"
        "print(sorted({'numpy', 'scipy', 'matplotlib', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=50)
    assert done.stdout.splitlines()[-1] == "[]"


def test_measured_files_from_the_command_line(shared_data):
    curves = sorted((shared_data / "iv").glob("*.csv"))
    result = run("analyse", "iv", *curves, "--json", "--method", "all")
    assert result.exit_code == 0
    assert len(objects(result)) == 20
    (spectrum_,) = objects(run("analyse", "spectrum", shared_data / "spectrum" / "lngs_tile_77K_charges.csv", "--json"))
    assert spectrum_["gain_adc"] == pytest.approx(11.7, abs=0.1)
    counts = sorted((shared_data / "dark_counts").glob("*.csv"))
    rates = [one["rate_Hz"] for one in objects(run("analyse", "dark", *counts, "--json"))]
    assert all(1.6e6 < rate < 2.6e6 for rate in rates)


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (51.36788, 0.01142, "51.368 ± 0.011"),
        (1965780.0, 1982.8, "1965800 ± 2000"),
        (0.5178, 0.0478, "0.518 ± 0.048"),
        (2.6e6, 1.07e5, "2600000 ± 110000"),
        (3.0, 0.0, "3"),
    ],
)
def test_rounding_to_two_digits_of_the_uncertainty(value, error, text):
    assert rounded(value, error) == text
