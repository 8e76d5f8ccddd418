import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from analysis.fit.breakdown import Method, breakdown_at, find_breakdown
from analysis.fit.iv_curve import prepare
from analysis.fit.onset import find_onset
from analysis.fit.raw_files import read_iv
from analysis.outcome import NoResult
from tests.analysis.fit.samples import curve

V = np.arange(50, 56.5, 0.1)


def noisy(rng, current, relative=0.01):
    return np.column_stack([V, current * (1 + relative * rng.normal(size=V.size))])


@pytest.mark.parametrize(
    ("truth", "method"),
    [
        ({}, Method.ILD),
        ({}, Method.SQRT),
        ({"exponent": 1.5}, Method.ILD),
        ({"exponent": 3.0}, Method.ILD),
        ({"step": 0.05}, Method.ILD),
        ({"step": 0.2, "start": 48.0, "stop": 58.0}, Method.ILD),
        ({"relative": 0.03}, Method.ILD),
        ({"leakage": 5e-8}, Method.ILD),
        ({"leakage": 5e-8}, Method.SQRT),
        ({"leakage": -1e-10, "rise": 0.0, "noise": 1e-10}, Method.ILD),
    ],
)
def test_methods_that_follow_the_law_find_the_truth_within_their_uncertainty(truth, method):
    rng = np.random.default_rng(20)
    found = [find_breakdown(curve(rng, **truth), method) for _ in range(40)]
    pulls = np.array([(one.vbr_V - 51.3) / one.uncertainty_V for one in found])
    assert abs(pulls.mean()) < 0.8
    # what the law might be besides a power is in the uncertainty of ild, so that powers scatter less than it says
    assert (0.2 if method is Method.ILD else 0.5) < pulls.std() < 1.3
    assert np.mean(np.abs(pulls - pulls.mean()) < 1) > 0.6, "coverage of one standard deviation"
    said = [one.uncertainty_V for one in found]
    assert np.mean(said) < (0.15 if truth.get("leakage", 0) > 1e-8 else 0.08)
    assert max(said) < 0.3, "where noise makes a line look bent, the zero is less certain"


@pytest.mark.parametrize("method", [method for method in Method if method is not Method.ILD])
@pytest.mark.parametrize("step", [0.05, 0.1, 0.2])
def test_every_simpler_method_scatters_less_than_it_says(method, step):
    rng = np.random.default_rng(21)
    found = [find_breakdown(curve(rng, step=step, start=49.0), method) for _ in range(40)]
    values = np.array([one.vbr_V for one in found])
    pulls = (values - values.mean()) / [one.uncertainty_V for one in found]
    assert pulls.std() < 1.3
    assert np.mean(np.abs(pulls) < 1) > 0.6, "coverage of one standard deviation"
    said = [one.uncertainty_V for one in found]
    assert np.median(said) < 0.05 + 0.4 * max(step - 0.1, 0) * 3
    assert max(said) < 0.3, "where noise makes a line look bent, the zero is less certain"


def limited_by_resistance(law, ohm):
    """The current of a law behind a resistance, or of a device that its current heats: both take overvoltage away."""

    def current(over):
        low, high = np.zeros_like(over), law(over)
        for _ in range(50):
            middle = (low + high) / 2
            too_low = middle < law(np.clip(over - ohm * middle, 0, None))
            low, high = np.where(too_low, middle, low), np.where(too_low, high, middle)
        return low

    return current


LAWS = {
    "strongly bent": lambda over: over * (1 - np.exp(-over)),
    "more strongly bent": lambda over: over * (1 - np.exp(-over / 0.5)),
    "avalanche probability that saturates": lambda over: 3 * over * (1 - np.exp(-over / 3)),
    "two carriers that saturate": lambda over: over * (1 - np.exp(-over)) ** 2,
    "crosstalk that grows": lambda over: over**2 / (1 - 0.021 * over**2),
    "crosstalk that runs away": lambda over: over**2 / np.maximum(1 - 0.15 * over, 0.02),
    "both": lambda over: 3 * over * (1 - np.exp(-over / 2)) / (1 - np.minimum(0.02 * over**1.5, 0.9)),
    "linear": lambda over: over,
    "cubic": lambda over: over**3,
    "series resistance": limited_by_resistance(lambda over: over**2, 0.3),
    "self-heating at its end": lambda over: np.where(over < 2.5, over**2, 6.25 + 12 * (over - 2.5)),
}


def rise(rng, law, voltage=V, relative=0.01, leakage=2e-10):
    """A curve that breaks down at 52.5 V."""
    current = leakage + 4e-9 * law(np.clip(voltage - 52.5, 0, None))
    current = current * (1 + relative * rng.normal(size=voltage.size)) + 1e-12 * rng.normal(size=voltage.size)
    return np.column_stack([voltage, current])


def pulls_of(curves):
    found = [find_breakdown(points, Method.ILD) for points in curves]
    return np.array([(one.vbr_V - 52.5) / one.uncertainty_V for one in found])


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
@pytest.mark.parametrize("relative", [0.001, 0.01])
def test_ild_covers_the_truth_whatever_the_law(law, relative):
    rng = np.random.default_rng(29)
    pulls = pulls_of(rise(rng, law, relative=relative) for _ in range(12))
    assert np.sqrt(np.mean(np.square(pulls))) < 1.8
    assert np.abs(pulls).max() < 5


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (lambda points: points, "strongly bent"),
        (lambda points: np.minimum(points, [99, 8e-9]), "strongly bent"),
        (lambda points: points * [1, 1] + [0, 2e-9], "cubic"),
        (lambda points: np.column_stack([points[:, 0], np.round(points[:, 1] / 3e-10) * 3e-10]), "linear"),
        (lambda points: np.column_stack([points[:, 0], np.round(points[:, 1] / 3e-10) * 3e-10]), "strongly bent"),
    ],
    ids=["as it is", "cut off by the meter", "in leakage", "coarse steps of the meter", "coarse steps, bent"],
)
def test_ild_pulls_are_about_one_wide(change, name):
    rng = np.random.default_rng(35)
    pulls = pulls_of(change(rise(rng, LAWS[name])) for _ in range(30))
    assert 0.1 < np.sqrt(np.mean(np.square(pulls))) < 1.5
    assert (np.abs(pulls) < 2).mean() > 0.85


def test_quality_names_the_branch_and_the_parts_of_the_uncertainty():
    rng = np.random.default_rng(36)
    for name, branch in (("strongly bent", "bent"), ("linear", "straight")):
        found = find_breakdown(rise(rng, LAWS[name], relative=0.003), Method.ILD)
        assert found.quality["branch"] == branch
        parts = [found.quality[part] for part in ("statistical", "systematic")]
        assert np.linalg.norm(parts) == pytest.approx(found.uncertainty_V)


def test_a_rise_that_begins_elsewhere_than_the_law_above_it_says_is_in_the_uncertainty():
    rng = np.random.default_rng(37)
    laws = (lambda over: over**2, lambda over: np.where(over > 0.4, over, over**4 / 0.4**3))
    plain, late = (find_breakdown(rise(rng, law, np.arange(50, 56.5, 0.05), 0.001), Method.ILD) for law in laws)
    assert float(late.quality["systematic"]) > 3 * float(plain.quality["systematic"])


UNEVEN = np.concatenate([np.arange(20, 51.5, 1.0), np.arange(51.5, 54.5, 0.05), np.arange(54.5, 58, 0.2)])


@pytest.mark.parametrize("grid", [UNEVEN, UNEVEN[UNEVEN > 49.5], np.arange(49.5, 56, 0.1)], ids=["all", "cut", "cut even"])
@pytest.mark.parametrize("method", list(Method))
def test_steps_are_those_about_the_breakdown(method, grid):
    rng = np.random.default_rng(38)
    fine = np.arange(49.5, 56, 0.05)
    for _ in range(3):
        found, expected = (find_breakdown(rise(rng, lambda over: over**2, points), method) for points in (grid, fine))
        assert found.vbr_V == pytest.approx(
            expected.vbr_V, abs=0.05 + 3 * np.hypot(found.uncertainty_V, expected.uncertainty_V)
        )
        assert found.uncertainty_V < 0.15


def test_very_fine_steps_about_the_breakdown_are_no_repetitions():
    grid = np.concatenate([np.arange(20, 51.5, 1.0), np.arange(51.5, 55.5, 0.004)])
    curve_ = prepare(rise(np.random.default_rng(39), lambda over: over**2, grid))
    assert np.diff(curve_.voltage[curve_.voltage > 51.6]).max() < 0.05
    assert find_breakdown(rise(np.random.default_rng(39), lambda over: over**2, grid), Method.ILD).vbr_V == pytest.approx(
        52.5, abs=0.05
    )


@pytest.mark.parametrize("step", [0.25, 0.5])
@pytest.mark.parametrize("method", list(Method))
def test_coarse_steps_make_the_uncertainty_larger(method, step):
    rng = np.random.default_rng(30)
    for _ in range(10):
        found = find_breakdown(curve(rng, start=40 + rng.random() * step, stop=65, step=step), method)
        assert abs(found.vbr_V - 51.3) < 4 * found.uncertainty_V + 0.4


def test_a_breakdown_in_as_much_leakage_as_current_is_found():
    rng = np.random.default_rng(31)
    for _ in range(10):
        over = np.clip(V - 52.5, 0, None)
        current = 1e-9 * (1 + over**2) * (1 + 0.01 * rng.normal(size=V.size))
        found = find_breakdown(np.column_stack([V, current]), Method.ILD)
        assert abs(found.vbr_V - 52.5) < 3 * found.uncertainty_V
        assert found.uncertainty_V < 0.6


@pytest.mark.parametrize("step", [0.1, 0.5])
def test_a_sweep_from_zero_with_an_ohmic_leakage(step):
    rng = np.random.default_rng(33)
    voltage = np.arange(0, 60, step)
    current = (1e-12 * voltage + 4e-9 * np.clip(voltage - 52.5, 0, None) ** 2) * (1 + 0.01 * rng.normal(size=voltage.size))
    found = find_breakdown(np.column_stack([voltage, current]), Method.ILD)
    assert abs(found.vbr_V - 52.5) < 3 * found.uncertainty_V


def test_the_step_of_the_meter_is_noise_too():
    rng = np.random.default_rng(34)
    pulls = []
    for _ in range(20):
        points = curve(rng, leakage=2e-10, noise=0.0, rise=0.0, relative=0.001)
        points[:, 1] = np.round(points[:, 1] / 1e-7) * 1e-7
        found = find_breakdown(points, Method.ILD)
        pulls.append((found.vbr_V - 51.3) / found.uncertainty_V)
    assert np.abs(pulls).max() < 3


@pytest.mark.parametrize("leakage", [0.0, 1e-9, 1e-8])
@pytest.mark.parametrize("steepness", [0.5, 1.2, 2.0])
def test_an_exponential_on_leakage_is_no_breakdown(leakage, steepness):
    rng = np.random.default_rng(32)
    for relative in (0.0, 0.01, 0.05):
        current = (leakage + 1e-10 * np.exp(steepness * (V - 50))) * (1 + relative * rng.normal(size=V.size))
        with pytest.raises(NoResult):
            find_breakdown(np.column_stack([V, current]), Method.ILD)


def test_the_maximum_of_the_derivative_is_high_by_what_the_literature_says():
    found = find_breakdown(curve(np.random.default_rng(22)), Method.LOG_DERIVATIVE)
    assert 0.1 < found.vbr_V - 51.3 < 0.4


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda c: -c, id="negative polarity"),
        pytest.param(lambda c: c * [-1, 1], id="negative voltage"),
        pytest.param(lambda c: c * [1, -1], id="negative current"),
        pytest.param(lambda c: c[::-1], id="downwards"),
        pytest.param(lambda c: np.random.default_rng(1).permutation(c), id="no order"),
        pytest.param(lambda c: np.repeat(c, 3, axis=0), id="three readings each"),
        pytest.param(lambda c: np.concatenate([c, c[::-1]]), id="up and down"),
        pytest.param(lambda c: c * [1, 1e6], id="microampere"),
        pytest.param(lambda c: np.concatenate([c, [[v, -1e-3] for v in np.arange(-3, 0, 0.1)]]), id="forward branch"),
    ],
)
@pytest.mark.parametrize("method", list(Method))
def test_order_repetition_polarity_and_unit_do_not_matter(change, method):
    points = curve(np.random.default_rng(23))
    assert find_breakdown(change(points), method).vbr_V == pytest.approx(find_breakdown(points, method).vbr_V, abs=2e-3)


@pytest.mark.parametrize("method", list(Method))
@pytest.mark.parametrize("shift", [-20.0, 13.37])
def test_a_shifted_curve_has_a_shifted_breakdown(method, shift):
    points = curve(np.random.default_rng(24))
    moved = find_breakdown(points + np.array([shift, 0]), method)
    assert moved.vbr_V - shift == pytest.approx(find_breakdown(points, method).vbr_V, abs=1e-6)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda rng: np.zeros((0, 2)), "no points"),
        (lambda rng: V, "two columns"),
        (lambda rng: curve(rng)[::8], "points: at least 12"),
        (lambda rng: np.column_stack([np.full(50, 51.0), rng.normal(size=50)]), "1 different voltages"),
        (lambda rng: np.concatenate([curve(rng), [[57, np.nan]]]), "1 of 66 points are no finite numbers, first point 66"),
        (lambda rng: np.concatenate([curve(rng), [[np.inf, 1]]]), "no finite numbers"),
        (lambda rng: np.column_stack([V, 0 * V]), "every current is 0 A"),
        (lambda rng: np.column_stack([V, 0 * V + 1e-9]), "every current is 1e-09 A"),
        (lambda rng: np.column_stack([V, 5e-9 + 2e-10 * rng.normal(size=V.size)]), "does not rise|rises from"),
        (lambda rng: np.column_stack([V, 2e-10 * rng.normal(size=V.size)]), "does not rise|rises from"),
        (lambda rng: noisy(rng, V / 1e9), "no breakdown"),
        (lambda rng: noisy(rng, 1e-9 * np.exp(0.8 * (V - 50))), "no breakdown"),
        (lambda rng: np.column_stack([V, 1e-9 * np.exp(2 * (V - 50))]), "no breakdown"),
        (lambda rng: np.column_stack([V, 1e-9 / (58 - V)]), "last voltages"),
        (lambda rng: curve(rng, vbr=60.0), "no breakdown"),
        (lambda rng: curve(rng, stop=51.6), "last voltages"),
        (lambda rng: curve(rng, stop=52.3), "points above"),
        (lambda rng: curve(rng, start=51.6), "first voltages"),
        (lambda rng: curve(rng, start=53.0), "first voltages"),
        (lambda rng: np.minimum(curve(rng), [99, 5e-8]), "the meter limits it to 5e-08 A"),
        (lambda rng: noisy(rng, np.where(V > 53, 5e-8, 5e-9)), "steps up"),
        (lambda rng: noisy(rng, np.where(V > 53, 5e-10, 1e-10) * V, 0.005), "steps up"),
        (lambda rng: noisy(rng, np.where(np.abs(V - 53) < 0.05, 5e-7, 5e-9)), "no breakdown"),
        (lambda rng: noisy(rng, 1e-9 + 1e-8 / (1 + np.exp(-(V - 53) / 0.2))), "steps up"),
        (lambda rng: noisy(rng, 1e-9 * np.exp(2.5 * (V - 50))), "no breakdown"),
        (lambda rng: noisy(rng, 1e-8 * (1.001 - np.exp(50 - V))), "first voltages"),
        (lambda rng: np.column_stack([V, 1e-6 + 9e-7 * np.sin(3 * V)]), "no breakdown"),
        (lambda rng: np.column_stack([V, np.where((V * 2).astype(int) % 2, 1e-6, 1e-9)]), "no breakdown"),
        (lambda rng: (c := curve(rng))[(c[:, 0] < 50.8) | (c[:, 0] > 52.3)], "gap"),
    ],
)
@pytest.mark.parametrize("method", list(Method))
def test_no_breakdown_in_range_is_no_number(make, reason, method):
    for seed in range(5):
        with pytest.raises(NoResult, match=reason):
            find_breakdown(make(np.random.default_rng(seed)), method)


def test_noise_alone_hardly_ever_looks_like_a_breakdown():
    rng = np.random.default_rng(25)
    fooled = 0
    for _ in range(400):
        try:
            find_onset(prepare(np.column_stack([V, rng.choice([0, 5e-9]) + 2e-10 * rng.normal(size=V.size)])))
        except NoResult:
            continue
        fooled += 1
    assert fooled == 0


@given(
    hnp.arrays(
        float, st.tuples(st.integers(0, 40), st.just(2)), elements=st.floats(-1e3, 1e3) | st.sampled_from([np.nan, np.inf])
    )
)
@settings(max_examples=150)
def test_any_array_gives_a_number_in_range_or_a_reason(points):
    for method in Method:
        try:
            found = find_breakdown(points, method)
        except NoResult:
            continue
        assert np.abs(points[:, 0]).min() <= found.vbr_V <= np.abs(points[:, 0]).max()
        assert found.uncertainty_V >= 0


def test_a_gap_elsewhere_and_sparks_do_no_harm():
    rng = np.random.default_rng(26)
    points = curve(rng)
    points = points[(points[:, 0] < 54) | (points[:, 0] > 55.3)]
    points[6, 1] *= 5
    assert find_breakdown(points, Method.ILD).vbr_V == pytest.approx(51.3, abs=0.05)


def test_fine_curves_are_averaged():
    rng = np.random.default_rng(27)
    found = find_breakdown(curve(rng, step=0.0005), Method.ILD)
    assert found.vbr_V == pytest.approx(51.3, abs=0.01)


def test_a_limited_curve_is_used_below_its_limit():
    points = np.minimum(curve(np.random.default_rng(28)), [99, 3e-6])
    onset = find_onset(prepare(points))
    assert onset.curve.limit == pytest.approx(3e-6)
    assert breakdown_at(onset, Method.ILD).vbr_V == pytest.approx(51.3, abs=0.05)


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("hamamatsu_rt_dark", 51.2, 51.5),
        ("hamamatsu_rt_blue_led", 51.2, 51.5),
        ("hamamatsu_rt_uv_led", 51.2, 51.5),
        ("hamamatsu_204K_blue_led", 46.6, 46.9),
        ("hamamatsu_77K_uv_led", 41.7, 42.0),
    ],
)
def test_measured_curves(shared_data, name, low, high):
    points = read_iv(shared_data / "iv" / f"{name}.csv")
    found = {method: find_breakdown(points, method) for method in Method}
    assert low < found[Method.ILD].vbr_V < high
    values = [one.vbr_V for one in found.values()]
    assert max(values) - min(values) < 0.75, "the methods are known to differ by this much"
    assert found[Method.LOG_DERIVATIVE].vbr_V == max(values)
    assert all(0.001 < one.uncertainty_V < 0.1 for one in found.values())


def test_one_device_has_one_breakdown_whatever_light_falls_on_it(shared_data):
    names = ("rt_dark", "rt_blue_led", "rt_uv_led")
    found = [find_breakdown(read_iv(shared_data / "iv" / f"hamamatsu_{name}.csv"), Method.ILD) for name in names]
    values = [one.vbr_V for one in found]
    assert max(values) - min(values) < 0.03
    assert all(abs(one.vbr_V - np.mean(values)) < 2 * one.uncertainty_V for one in found)


@pytest.mark.parametrize("name", ["rt_dark", "rt_blue_led", "204K_blue_led"])
def test_coarse_steps_far_below_a_measured_breakdown_change_nothing(shared_data, name):
    points = read_iv(shared_data / "iv" / f"hamamatsu_{name}.csv")
    whole = find_breakdown(points, Method.ILD)
    far = np.abs(points[:, 0]) < whole.vbr_V - 1
    thinned = find_breakdown(points[~far | (np.arange(len(points)) % 8 == 0)], Method.ILD)
    assert thinned.vbr_V == pytest.approx(whole.vbr_V, abs=whole.uncertainty_V)
    cut = find_breakdown(points[np.abs(points[:, 0]) > whole.vbr_V - 3], Method.ILD)
    assert cut.vbr_V == pytest.approx(whole.vbr_V, abs=whole.uncertainty_V)


def test_breakdown_falls_with_temperature_as_measured(shared_data):
    room, cold = (
        find_breakdown(read_iv(shared_data / "iv" / f"hamamatsu_{name}.csv"), Method.ILD).vbr_V
        for name in ("rt_blue_led", "204K_blue_led")
    )
    assert (room - cold) / (293 - 204) == pytest.approx(0.052, abs=0.002)
