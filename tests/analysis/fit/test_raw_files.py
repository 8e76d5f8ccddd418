from pathlib import Path

import numpy as np
import pytest

from analysis.fit.raw_files import read_charges, read_counts, read_iv
from sipmdcs.errors import BadInput
from tests.analysis.fit.samples import curve


def written(tmp_path, content, name="data.csv"):
    file = tmp_path / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


@pytest.mark.parametrize(
    "content",
    [
        "50;1e-9\n50.1;2e-9\n",
        "50;1e-9;\r\n50.1;2e-9;\r\n",
        "# a comment\n\n50,1e-9\n50.1,2e-9\n",
        "50\t1e-9\n50.1\t2e-9\n",
        "  50   1e-9\n50.1 2e-9",
        "50,0;1,0e-9\n50,1;2,0e-9\n",
        "Voltage (V),Current (A)\n50,1e-9\n50.1,2e-9\n",
        '"I [A]";"V [V]"\n1e-9;50\n2e-9;50.1\n',
        "time,bias_V,current_A,temperature\n1,50,1e-9,25\n2,50.1,2e-9,25\n",
        "\ufeff50;1e-9\n50.1;2e-9\n",
        "+50.;1E-9\n50.1;.2e-8\n# end\n",
        "V (mV);I (nA)\n50000;1\n50100;2\n",
        "Voltage,Current\nV,uA\n50,1e-3\n50.1,2e-3\n",
        "Vbias [V]\tIdark [pA]\n50\t1000\n50.1\t2000\n",
        "Idark,Vbias\n1e-9,50\n2e-9,50.1\n",
        "# I[A], V[V]\n1e-9,50\n2e-9,50.1\n",
        "# current_\u00b5A voltage_V\n1e-3 50\n2e-3 50.1\n",
        "bias current (nA),bias\n1,50\n2,50.1\n",
        "V,V_err,I,I_err\n50,.1,1e-9,1\n50.1,.1,2e-9,1\n",
        "% MATLAB\n// and C\n50,1e-9\n50.1,2e-9\n",
        '"V","I"\n"50","1e-9"\n"50.1","2e-9"\n',
        "# 20 \u00b0C\n50;1e-9\n50.1;2e-9\n".encode("latin-1"),
        "50;1e-9\n50.1;2e-9\n".encode("utf-16"),
    ],
)
def test_iv_curves_in_the_forms_of_laboratories(tmp_path, content):
    assert read_iv(written(tmp_path, content)) == pytest.approx(np.array([[50, 1e-9], [50.1, 2e-9]]))


@pytest.mark.parametrize("unit", [1, 1e6, 1e9])
def test_two_columns_without_names_stand_in_either_order(tmp_path, unit):
    rng = np.random.default_rng(1)
    points = curve(rng) * [1, unit]
    there = read_iv(written(tmp_path, "\n".join(f"{v:.2f},{i:.5e}" for v, i in points)))
    back = read_iv(written(tmp_path, "\n".join(f"{i:.5e},{v:.2f}" for v, i in points)))
    assert back.tolist() == there.tolist()


def test_a_quantised_dark_current_is_no_sweep(tmp_path):
    rng = np.random.default_rng(2)
    volts = np.sort(rng.uniform(50, 56, 60))
    points = np.column_stack([volts, 1e-9 * rng.integers(0, 30, 60)])
    assert read_iv(written(tmp_path, "\n".join(f"{v},{i}" for v, i in points)))[:, 0] == pytest.approx(volts)


def test_numpy_files(tmp_path):
    np.save(tmp_path / "iv.npy", np.array([[50, 1], [51, 2]]))
    assert read_iv(tmp_path / "iv.npy").tolist() == [[50, 1], [51, 2]]
    np.save(tmp_path / "charges.npy", np.arange(5, dtype=np.int16))
    assert read_charges(tmp_path / "charges.npy").tolist() == [0, 1, 2, 3, 4]
    np.save(tmp_path / "objects.npy", np.array([{}, None]), allow_pickle=True)
    np.save(tmp_path / "cube.npy", np.zeros((2, 2, 2)))
    (tmp_path / "text.npy").write_text("no array")
    for name in ("objects", "cube", "text"):
        with pytest.raises(BadInput, match=f"{name}.npy: "):
            read_charges(tmp_path / f"{name}.npy")


@pytest.mark.parametrize(
    ("read", "content", "message"),
    [
        (read_iv, "", r"data.csv: no numbers in it"),
        (read_iv, "# only a comment\n", r"data.csv: no numbers in it"),
        (read_iv, "V;I\n", r"data.csv: no numbers in it"),
        (read_iv, "50;1e-9\n50.1;abc\n", r"data.csv:2: 'abc' is no number; expected a finite one"),
        (read_iv, "50;1e-9\n50.1;\n", r"data.csv:2: 1 columns, expected 2 as in line 1"),
        (read_iv, "50;1e-9\n50.1;2e-9;3\n", r"data.csv:2: 3 columns, expected 2 as in line 1"),
        (read_iv, "50;nan\n", r"data.csv:1: 'nan' is no number"),
        (read_iv, "50;1e-9\n51;-inf\n", r"data.csv:2: '-inf' is no number"),
        (read_iv, "50;1e999\n", r"data.csv:1: '1e999' is no number"),
        (read_iv, "V;I\nA;B\n50;1\n", r"data.csv:2: 'A' is no number"),
        (read_iv, "V;1\n50;1\n", r"data.csv:1: 'V' is no number"),
        (read_iv, "1_0;1\n", r"data.csv:1: '1_0' is no number"),
        (read_iv, "0x1F;1\n", r"data.csv:1: '0x1F' is no number"),
        (read_iv, "1\n2\n", r"data.csv:1: 1 columns, expected two, or names"),
        (read_iv, "1;2;3\n", r"data.csv:1: 3 columns, expected two"),
        (read_iv, "x;" + "y" * 1000 + "\n1;" + "z" * 1000, r"data.csv:2: 'z{40}…' is no number"),
        (read_iv, "V_set,V_meas,I\n50,50,1e-9\n", r"data.csv:2: 3 columns \(V_set, V_meas, I\), expected two, or names"),
        (read_iv, b"\xff\xfe5\x00\n", r"data.csv: is no text"),
        (read_iv, b"\x89PNG\r\n\x1a\n\x00", r"data.csv: is no text: byte 1 is 0x89"),
        (read_charges, "1;2\n", r"data.csv:1: 2 columns, expected one: the charge of an event"),
        (read_charges, "1\n2\nNaN\n", r"data.csv:3: 'NaN' is no number"),
        (read_counts, "1 2 3\n4 5 6\n", r"data.csv:1: 3 columns in 2 lines"),
        (read_counts, "3\t2\t1\n9\t9\t9\n1\t1\t1\n0\t0\t0\n", r"data.csv:1: 3 columns, expected a count"),
        (read_counts, "1\t2\n9\t9\n5\t5\n0\t0\n", r"data.csv:3: 5 repeats announced, 1 lines of counts follow"),
        (read_counts, "# time range 4-7\n1\n", r"data.csv:1: time range '4-7' is no number of seconds"),
    ],
)
def test_garbage_is_named_with_its_line(tmp_path, read, content, message):
    with pytest.raises(BadInput, match=message):
        read(written(tmp_path, content))


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(BadInput, match=r"nothing.csv: cannot be read: No such file"):
        read_charges(tmp_path / "nothing.csv")
    with pytest.raises(BadInput, match="cannot be read: Is a directory"):
        read_charges(tmp_path)
    with pytest.raises(BadInput, match=r"nothing.npy: cannot be read: No such file"):
        read_charges(tmp_path / "nothing.npy")
    with pytest.raises(BadInput, match="/dev/zero: has more than 200 MB, the most that is read"):
        read_charges(Path("/dev/zero"))


@pytest.mark.parametrize("numbers", [10**12, 10**18, 10**25])
def test_an_array_that_promises_more_than_fits(tmp_path, numbers):
    header = {"descr": "<f8", "fortran_order": False, "shape": (numbers,)}
    with (tmp_path / "short.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        file.write(bytes(64))
    with pytest.raises(BadInput, match=r"short.npy: is no NumPy array of numbers"):
        read_charges(tmp_path / "short.npy")


def test_the_window_stands_in_a_comment(tmp_path):
    (one,) = read_counts(written(tmp_path, "# Time axis: time range 4e-07, time position 1\n0\n3\n"))
    assert (one.window_s, one.counts.tolist(), one.threshold_mV) == (4e-7, [0, 3], None)
    (other,) = read_counts(written(tmp_path, "0\n3\n"))
    assert other.window_s is None


def test_counter_scan(tmp_path):
    scan = read_counts(written(tmp_path, "20\t21\t\r\n1000\t500\t\r\n2\t2\t\r\n0\t1\t\r\n5\t0\t\r\n"))
    assert [(one.threshold_mV, one.window_s, one.counts.tolist()) for one in scan] == [(20, 1.0, [0, 5]), (21, 0.5, [1, 0])]
