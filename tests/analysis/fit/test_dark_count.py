import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from analysis.fit.dark_count import mean_rate, zero_rate
from analysis.fit.raw_files import read_counts
from analysis.fit.staircase import Step, staircase_crosstalk
from analysis.outcome import NoResult

WINDOW = 4e-7


@pytest.mark.parametrize("rate_of", [mean_rate, zero_rate])
@pytest.mark.parametrize("mean", [0.02, 0.7, 2.5])
def test_uncertainties_cover_the_truth(rate_of, mean):
    rng = np.random.default_rng(50)
    pulls = []
    for _ in range(300):
        rate = rate_of(rng.poisson(mean, 1000), WINDOW)
        pulls.append((rate.rate_Hz - mean / WINDOW) / rate.uncertainty_Hz)
    assert abs(np.mean(pulls)) < 0.25
    assert np.std(pulls) == pytest.approx(1, abs=0.15)


def test_bursts_widen_the_uncertainty_and_are_named():
    rng = np.random.default_rng(51)
    scatter, said = [], []
    for _ in range(200):
        bursts = rng.poisson(0.7, 1000) + rng.binomial(1, 0.02, 1000) * rng.poisson(20, 1000)
        rate = mean_rate(bursts, 1.0)
        scatter.append(rate.rate_Hz)
        said.append(rate.uncertainty_Hz)
        assert rate.quality["scale"] > 2
        assert rate.quality["dispersion"] > 3
        assert zero_rate(bursts, 1.0).rate_Hz == pytest.approx(0.71, abs=0.2), "bursts hardly change the empty windows"
    assert np.mean(said) == pytest.approx(np.std(scatter), rel=0.2)


def test_dead_time_narrows_it():
    rate = mean_rate(np.random.default_rng(52).binomial(4, 0.8, 2000), 1.0)
    assert rate.quality["scale"] == pytest.approx(np.sqrt(0.2), abs=0.03)


def test_poisson_counts_are_not_scaled():
    rng = np.random.default_rng(53)
    scaled = sum(mean_rate(rng.poisson(0.7, 1000), 1.0).quality["scale"] != 1 for _ in range(300))
    assert scaled <= 6, "three standard deviations"


def test_no_count_at_all_is_a_limit():
    for rate_of in (mean_rate, zero_rate):
        rate = rate_of(np.zeros(1000), 1e-3)
        assert rate.rate_Hz == 0
        assert rate.uncertainty_Hz == 1
        assert rate.quality["upper_limit_Hz"] == pytest.approx(2.303, abs=1e-3)


@pytest.mark.parametrize(
    ("counts", "window", "reason"),
    [
        ([], 1.0, "no windows"),
        ([[1, 2]], 1.0, "one number per window"),
        ([1, np.nan, np.inf], 1.0, "2 of 3 counts are wrong: window 2: nan is no finite number"),
        ([0, -1], 1.0, "window 2: -1 is negative"),
        ([0, 0.5], 1.0, "window 2: 0.5 is not whole"),
        ([1e300], 1.0, "too large"),
        ([1, 2], None, "window is not known"),
        ([1, 2], 0.0, "longer than 0 s"),
        ([1, 2], -1.0, "longer than 0 s"),
        ([1, 2], np.nan, "longer than 0 s"),
    ],
)
def test_what_cannot_be_used_has_a_reason(counts, window, reason):
    for rate_of in (mean_rate, zero_rate):
        with pytest.raises(NoResult, match=reason):
            rate_of(np.array(counts, dtype=float), window)


def test_windows_that_are_never_empty_have_no_zero_rate():
    with pytest.raises(NoResult, match="no empty window among 3"):
        zero_rate(np.array([1, 2, 3]), 1.0)


@given(hnp.arrays(float, st.integers(0, 20)), st.none() | st.floats())
def test_any_array_gives_a_rate_or_a_reason(counts, window):
    for rate_of in (mean_rate, zero_rate):
        try:
            rate = rate_of(counts, window)
        except NoResult:
            continue
        assert rate.rate_Hz >= 0
        assert rate.uncertainty_Hz >= 0


@pytest.mark.parametrize("bias", ["53.8", "54.3", "54.8", "55.3"])
def test_means_that_came_with_the_measurement(shared_data, bias):
    published = json.loads((shared_data / "dark_counts" / "meanDarkCountsRT.json").read_text())
    (one,) = read_counts(shared_data / "dark_counts" / f"25092024DarkCountsRT{bias.replace('.', '_')}V1.csv")
    assert one.window_s == 4e-7
    rate = mean_rate(one.counts, one.window_s)
    assert rate.rate_Hz * 4e-7 == pytest.approx(published[bias], abs=1e-9)
    assert rate.rate_Hz == pytest.approx(zero_rate(one.counts, 4e-7).rate_Hz, rel=0.06)


def test_the_same_device_at_a_longer_window(shared_data):
    folder = shared_data / "dark_counts"
    (short,), (long) = read_counts(folder / "25092024DarkCountsRT54_3V1.csv"), read_counts(folder / "25092024DC1msRT54_3V1.csv")
    assert long[0].window_s == 1e-3
    one, other = mean_rate(short.counts, short.window_s), mean_rate(long[0].counts, long[0].window_s)
    assert one.rate_Hz == pytest.approx(other.rate_Hz, abs=3 * one.uncertainty_Hz)


def staircase(rates):
    steps = []
    for threshold, rate in rates:
        counts = np.random.default_rng(int(threshold)).poisson(rate, 4000)
        steps.append(Step(threshold, mean_rate(counts, 1.0)))
    return steps


def test_crosstalk_is_the_ratio_of_two_steps():
    steps = staircase([(4.0, 20.0), (6.0, 20.0), (10.0, 5.0), (14.0, 2.0), (16.0, 2.0), (20.0, 0.2)])
    probability, error = staircase_crosstalk(steps, 10.0)
    assert probability == pytest.approx(0.1, abs=3 * error)
    assert 0.0005 < error < 0.002
    without_chance, _ = staircase_crosstalk(steps, 10.0, resolving_s=1e-3)
    assert probability - without_chance == pytest.approx(0.02, abs=1e-3)


@pytest.mark.parametrize(
    ("rates", "pixel", "reason"),
    [
        ([(4.0, 20.0), (6.0, 20.0)], 10.0, "no rate at 15 mV: the thresholds are from 4 to 6 mV"),
        ([], 10.0, "at none"),
        ([(4.0, 20.0), (16.0, 0.0)], 10.0, "nothing was counted"),
        ([(4.0, 20.0), (16.0, 1.0)], 0.0, "above 0 mV"),
    ],
)
def test_no_crosstalk_without_both_steps(rates, pixel, reason):
    with pytest.raises(NoResult, match=reason):
        staircase_crosstalk(staircase(rates), pixel)


def test_measured_counter_scan(shared_data):
    scan = read_counts(shared_data / "t2k" / "counter_scan.txt")
    assert [one.threshold_mV for one in scan] == list(range(20, 30))
    assert {one.window_s for one in scan} == {1.0}
    assert {one.counts.size for one in scan} == {10_000}
    rates = [zero_rate(one.counts, one.window_s).rate_Hz for one in scan]
    assert all(after < before for before, after in pairwise(rates[:5])), "it falls down to the noise"
    assert all(mean_rate(one.counts, 1.0).quality["scale"] > 5 for one in scan), "bursts"
