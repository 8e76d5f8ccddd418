import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from analysis.fit.raw_files import read_charges
from analysis.fit.spectrum_fit import fit_spectrum
from analysis.outcome import NoResult
from tests.analysis.fit.samples import spectrum

N = 10_000


@pytest.mark.parametrize("mu", [0.2, 1.0, 3.0, 6.0])
@pytest.mark.parametrize("lam", [0.0, 0.15, 0.4])
@pytest.mark.parametrize(("noise_adc", "spread_adc"), [(1.0, 0.5), (4.0, 1.5)])
def test_parameters_are_found_within_their_uncertainties(mu, lam, noise_adc, spread_adc):
    rng = np.random.default_rng(30)
    pulls = []
    for toy in range(12):
        polarity = 1 if toy % 2 else -1
        charges = spectrum(
            rng, polarity=polarity, codes=toy % 3 == 0, mu=mu, lam=lam, noise_adc=noise_adc, spread_adc=spread_adc
        )
        fit = fit_spectrum(charges)
        assert fit.polarity == polarity
        assert not fit.doubt
        found = fit.parameters
        pulls.append(
            [
                (fit.pedestal - 500) / fit.uncertainty("pedestal"),
                (found.gain - 20) / fit.uncertainty("gain"),
                (found.s0 - noise_adc) / fit.uncertainty("s0"),
                (found.mu - mu) / fit.uncertainty("mu"),
                (found.lam - lam) / fit.uncertainty("lambda"),
            ]
        )
    pulls = np.array(pulls)
    assert np.abs(pulls.mean(axis=0)).max() < 1.2, "five means of 12 toys"
    assert np.abs(pulls).max() < 5
    assert 0.6 < pulls.std() < 1.4


def test_pulls_of_many_toys_are_standard_normal():
    rng = np.random.default_rng(31)
    pulls, chi2 = [], []
    for _ in range(150):
        fit = fit_spectrum(spectrum(rng, 5000, mu=1.3, lam=0.2))
        values = fit.parameters.gain, fit.parameters.mu, fit.parameters.lam
        pulls.append(
            [(v - t) / fit.uncertainty(n) for v, t, n in zip(values, (20, 1.3, 0.2), ("gain", "mu", "lambda"), strict=True)]
        )
        chi2.append(fit.chi2 / fit.ndf)
    pulls = np.array(pulls)
    assert np.abs(pulls.mean(axis=0)).max() < 0.3
    assert pulls.std(axis=0) == pytest.approx([1, 1, 1], abs=0.2)
    assert np.mean(chi2) == pytest.approx(1, abs=0.15)


def test_the_quick_estimate_agrees():
    fit = fit_spectrum(spectrum(np.random.default_rng(32), mu=2.0, lam=0.25))
    assert fit.quality["mu_quick"] == pytest.approx(fit.parameters.mu, abs=0.05)
    assert fit.quality["lambda_quick"] == pytest.approx(fit.parameters.lam, abs=0.02)


def test_few_events_are_enough_if_peaks_are_clear():
    fit = fit_spectrum(spectrum(np.random.default_rng(33), 150))
    assert fit.parameters.gain == pytest.approx(20, abs=4 * fit.uncertainty("gain"))
    assert fit.uncertainty("gain") > 0.1


@pytest.mark.parametrize("factor", [1e-9, 1e9])
def test_the_unit_does_not_matter(factor):
    charges = spectrum(np.random.default_rng(34))
    plain, scaled = fit_spectrum(charges), fit_spectrum(charges * factor)
    assert scaled.parameters.gain / factor == pytest.approx(plain.parameters.gain, rel=1e-3)
    assert scaled.uncertainty("lambda") == pytest.approx(plain.uncertainty("lambda"), rel=0.05)


def test_narrow_peaks_on_coarse_codes():
    fit = fit_spectrum(spectrum(np.random.default_rng(35), codes=True, gain_adc=4.0, noise_adc=0.6, spread_adc=0.2))
    assert fit.parameters.gain == pytest.approx(4, abs=0.04)
    assert fit.parameters.s0 == pytest.approx(0.6, abs=0.05)


def test_sparks_and_a_few_saturated_events_do_no_harm():
    rng = np.random.default_rng(36)
    charges = np.append(spectrum(rng, codes=True), [1e6, -5000])
    fit = fit_spectrum(charges)
    assert fit.quality["strays"] == 2
    assert fit.parameters.gain == pytest.approx(20, abs=0.1)
    assert fit.scale == 1
    limited = fit_spectrum(np.minimum(spectrum(rng, codes=True), 615))
    assert float(limited.quality["saturated"]) > 0
    assert limited.parameters.lam == pytest.approx(0.1, abs=0.05)


def test_a_shoulder_of_the_pedestal_is_enough():
    fit = fit_spectrum(spectrum(np.random.default_rng(37), mu=0.2, noise_adc=5.0))
    assert fit.parameters.gain == pytest.approx(20, abs=5 * fit.uncertainty("gain"))
    assert fit.uncertainty("gain") < 1


def test_late_pulses_do_not_shift_the_peaks():
    rng = np.random.default_rng(38)
    charges = spectrum(rng, mu=2.0, lam=0.2, noise_adc=1.0, spread_adc=0.5)
    pixels = np.rint((charges - 500) / 20)
    late = (rng.random(N) < 1 - 0.85 ** np.maximum(pixels - 1, 0)) & (pixels > 1)
    fit = fit_spectrum(charges - 20 * late * rng.random(N))
    assert fit.parameters.delayed == pytest.approx(0.15, abs=4 * fit.uncertainty("delayed"))
    assert fit.parameters.gain == pytest.approx(20, abs=4 * fit.uncertainty("gain"))
    assert fit.chi2 / fit.ndf < 1.4


def test_a_pedestal_nobody_sees_leaves_the_gain_alone():
    fit = fit_spectrum(spectrum(np.random.default_rng(39), mu=20.0))
    assert "pedestal" in fit.doubt
    assert fit.parameters.gain == pytest.approx(20, abs=0.2)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda rng: np.array([]), "no events"),
        (lambda rng: np.zeros((10, 2)), "one number per event"),
        (lambda rng: rng.normal(size=99), "99 events: at least 100"),
        (lambda rng: np.full(N, 512.0), "all 10000 events at one code, 512"),
        (lambda rng: np.append(rng.normal(size=N), np.nan), "1 of 10001 charges are no finite numbers, first event 10001"),
        (lambda rng: np.append(np.inf, rng.normal(size=N)), "no finite numbers, first event 1"),
        (lambda rng: rng.normal(100, 5, N), "no (separate )?peaks|not resolved"),
        (lambda rng: np.rint(rng.normal(100, 5, N)), "no (separate )?peaks|not resolved"),
        (lambda rng: np.rint(rng.normal(100.3, 0.3, N)), "no (separate )?peaks"),
        (lambda rng: rng.uniform(0, 4096, N), "no finger spectrum|no separate peaks|not resolved"),
        (lambda rng: rng.integers(0, 4096, N), "no finger spectrum|no separate peaks|not resolved"),
        (lambda rng: rng.integers(0, 50, N), "no finger spectrum|no separate peaks|not resolved"),
        (lambda rng: rng.uniform(0, 100, 500), "no finger spectrum|no separate peaks|not resolved"),
        (lambda rng: rng.exponential(50, N), "no peaks|no finger spectrum|no separate peaks|not resolved"),
        (lambda rng: rng.triangular(0, 0, 100, N), "no peaks|no finger spectrum|no separate peaks|not resolved"),
        (lambda rng: 100 * np.sin(rng.uniform(0, 2 * np.pi, N)), "no finger spectrum|no separate peaks|not resolved"),
        (lambda rng: rng.standard_cauchy(N), "no "),
        (lambda rng: rng.poisson(3, N), "no (separate )?peaks|not resolved"),
        (lambda rng: np.minimum(spectrum(rng, mu=2.0), 530), "saturated: [0-9]+ of 10000 events at the last code, 530"),
        (lambda rng: np.maximum(spectrum(rng, mu=2.0, polarity=-1), 455), "saturated: .* 455"),
        (lambda rng: np.minimum(spectrum(rng, mu=6.0, codes=True), 600), "saturated: .* 600"),
        (lambda rng: spectrum(rng, mu=3.0, noise_adc=11.0), "no (separate )?peaks|not resolved"),
    ],
)
def test_what_is_no_finger_spectrum_has_a_reason_and_no_gain(make, reason):
    for seed in range(4):
        with pytest.raises(NoResult, match=reason):
            fit_spectrum(make(np.random.default_rng(seed)))


@pytest.mark.parametrize("events", [100, 300, 1000])
def test_smooth_spectra_of_few_events_never_pass_for_peaks(events):
    rng = np.random.default_rng(42)
    for _ in range(15):
        for charges in (rng.exponential(1, events), rng.uniform(0, 1, events), rng.lognormal(0, 0.6, events)):
            with pytest.raises(NoResult):
                fit_spectrum(charges)


@given(hnp.arrays(float, st.integers(0, 300), elements=st.floats(-1e6, 1e6) | st.sampled_from([0.0, 1.0, 2.0, 100.0])))
@settings(max_examples=60)
def test_any_array_gives_numbers_or_a_reason(charges):
    try:
        fit = fit_spectrum(charges)
    except NoResult:
        return
    assert np.isfinite(fit.covariance).all()
    assert fit.parameters.gain > 0


def test_measured_spectrum(shared_data):
    charges = read_charges(shared_data / "spectrum" / "lngs_tile_77K_charges.csv")
    fit = fit_spectrum(charges)
    assert fit.polarity == -1
    assert fit.pedestal == pytest.approx(958, abs=0.3)
    peaks = [float(np.median(charges[np.abs(charges - place) < 1.5])) for place in (958.0, 946.3, 934.6, 922.9)]
    assert fit.parameters.gain == pytest.approx((peaks[0] - peaks[3]) / 3, abs=0.05)
    assert fit.parameters.mu == pytest.approx(-np.log((charges > 952).mean()), abs=0.05)
    assert fit.scale > 1, "the misfit of its late pulses is in the uncertainties"
    assert fit.chi2 / fit.ndf < 4


def test_a_misfit_costs_no_result_because_there_are_many_events(shared_data):
    rng = np.random.default_rng(60)
    measured = read_charges(shared_data / "spectrum" / "lngs_tile_77K_charges.csv")
    fit = fit_spectrum(rng.choice(measured, 1_000_000) + rng.normal(0, 0.02, 1_000_000))
    assert fit.chi2 / fit.ndf > 100
    assert fit.parameters.gain == pytest.approx(11.68, abs=0.05)


@pytest.mark.parametrize("events", [1000, 10_000, 300_000])
def test_peaks_at_uneven_distances_are_no_finger_spectrum(events):
    rng = np.random.default_rng(61)
    charges = rng.choice([100, 160, 230, 340], events, p=[0.4, 0.3, 0.2, 0.1]) + rng.normal(0, 5, events)
    with pytest.raises(NoResult, match="no law of separate peaks describes it"):
        fit_spectrum(charges)


@pytest.mark.parametrize(
    "draw",
    [
        pytest.param(
            lambda rng, n: np.where(rng.random(n) < 0.7, rng.normal(100, 5, n), rng.normal(200, 25, n)), id="two peaks"
        ),
        pytest.param(lambda rng, n: 60 * rng.binomial(4, 0.3, n) + rng.normal(100, 5, n), id="four pixels at most"),
    ],
)
def test_peaks_of_something_else_have_no_light_and_no_crosstalk(draw):
    fit = fit_spectrum(draw(np.random.default_rng(62), 10_000))
    assert "is below zero" in fit.doubt


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("mu", [3.0, 5.0])
@pytest.mark.parametrize(("low", "high"), [(0.0, 99), (0.3, 99), (-9, 6.5), (-9, 8.5), (1.5, 8.5), (0.5, 6.5)])
def test_a_cut_spectrum_has_its_gain_and_polarity_but_no_light(sign, mu, low, high):
    rng = np.random.default_rng(63)
    for _ in range(2):
        pixels = (spectrum(rng, mu=mu) - 500) / 20
        fit = fit_spectrum(500 + sign * 20 * pixels[(pixels > low) & (pixels < high)])
        assert fit.parameters.gain == pytest.approx(20, abs=0.2)
        assert fit.doubt or fit.parameters.mu == pytest.approx(mu, abs=4 * fit.uncertainty("mu"))
        assert fit.doubt or fit.polarity == sign


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(("mu", "low", "high"), [(0.3, 0.2, 1), (0.3, 0.8, 1), (1.0, 0, 0.8), (1.0, 0.5, 1), (3.0, 0.2, 0.9)])
def test_a_spectrum_cut_within_a_peak_has_its_gain_within_the_uncertainty(sign, mu, low, high):
    rng = np.random.default_rng(66)
    for _ in range(2):
        charges = spectrum(rng, 20_000, mu=mu)
        least, most = np.quantile(charges, (low, high))
        fit = fit_spectrum(sign * charges[(charges >= least) & (charges <= most)])
        assert fit.parameters.gain == pytest.approx(20, abs=3.5 * fit.uncertainty("gain"))
        assert fit.uncertainty("gain") < 0.3


def test_a_part_of_a_smooth_spectrum_never_passes_for_peaks():
    rng = np.random.default_rng(67)
    for draw in (rng.standard_normal, rng.standard_exponential, lambda events: rng.gamma(3, 1, events)):
        for low, high in ((0, 0.5), (0.5, 1), (0, 0.2)):
            charges = draw(8_000)
            least, most = np.quantile(charges, (low, high))
            with pytest.raises(NoResult):
                fit_spectrum(500 + 20 * charges[(charges >= least) & (charges <= most)])


def test_the_polarity_that_is_stated_is_taken():
    rng = np.random.default_rng(64)
    charges = spectrum(rng, mu=1.5, polarity=-1)
    assert fit_spectrum(charges, -1).polarity == -1
    assert fit_spectrum(charges, -1).parameters.mu == pytest.approx(fit_spectrum(charges).parameters.mu, abs=1e-6)
    try:
        wrong = fit_spectrum(charges, 1)
    except NoResult:
        return
    assert wrong.polarity == 1


def test_a_spectrum_of_which_either_polarity_is_as_good_asks_for_it():
    rng = np.random.default_rng(65)
    pixels = rng.choice(4, 3000, p=[0.1, 0.4, 0.4, 0.1])
    charges = 500 + 20 * pixels + rng.normal(0, 2, 3000)
    both = np.concatenate([charges, 1060 - charges])
    try:
        fit = fit_spectrum(both)
    except NoResult:
        return
    assert fit.doubt
