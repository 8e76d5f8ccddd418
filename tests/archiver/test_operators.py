"""Operators against a model that goes through the samples one by one, as the Archiver Appliance does."""

import math
import statistics as st_lib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.bins import Interval
from archiver.errors import BadQuery
from archiver.operators import OPERATORS, Processing, parse_operator, parse_pv
from archiver.result import Marked, Result
from archiver.samples import Samples
from archiver.summaries import STATISTICS
from sipmdcs.channels import PvType
from sipmdcs.clock import NS

BASE_S = 1_767_225_600


def samples_of(points: list[tuple[int, float, int]]) -> Samples:
    times = np.array([time for time, _, _ in points], np.int64)
    return Samples(
        times,
        times,
        np.array([value for _, value, _ in points], np.float64),
        np.array([severity for _, _, severity in points], np.uint8),
        np.zeros(len(points), np.uint16),
        np.zeros(len(points), np.uint8),
    )


def vector(values: list[float]) -> list[float]:
    numbers = [value for value in values if not math.isnan(value)]
    if not numbers:
        return [math.nan] * 4 + [0.0]
    std = st_lib.stdev(numbers) if len(numbers) > 1 else 0.0
    return [st_lib.fmean(numbers), std, min(numbers), max(numbers), float(len(numbers))]


MODEL = {
    "mean": lambda values: vector(values)[0],
    "std": lambda values: vector(values)[1],
    "min": lambda values: vector(values)[2],
    "max": lambda values: vector(values)[3],
    "count": lambda values: vector(values)[4],
    "median": lambda values: st_lib.median(numbers) if (numbers := [v for v in values if not math.isnan(v)]) else math.nan,
    "stats": vector,
}


def model_bins(points, interval: Interval, width: int) -> dict[int, list[tuple[float, int, bool]]]:
    bins: dict[int, list[tuple[float, int, bool]]] = {}
    for index, (time, value, severity) in enumerate(points):
        number = time // NS // width
        if time < interval.from_ns:
            number = interval.from_ns // NS // width - 1
        bins.setdefault(number, []).append((value, severity, index % 3 == 2))
    return bins


def model_summary(name: str, points, interval: Interval, width: int, *, filled: bool):
    bins = model_bins(points, interval, width)
    out = []
    content = (0.0, 0, False)
    last = interval.to_ns // NS // width if filled else max(bins, default=0)
    for number in range(min(bins, default=last + 1), last + 1):
        if number in bins:
            values = [value for value, _, _ in bins[number]]
            content = (MODEL[name](values), max(s for _, s, _ in bins[number]), any(m for _, _, m in bins[number]))
        elif not filled:
            continue
        elif name == "count":
            content = (0.0, 0, False)
        time = (number * width + width // 2) * NS + (NS // 2 if width % 2 else 0)
        out.append((time, *content))
    return out


def listed(result: Result):
    samples = result.samples
    values = [samples.data(index) for index in range(len(samples))]
    values = [value.tolist() if isinstance(value, np.ndarray) else value for value in values]
    return list(zip(samples.time_ns.tolist(), values, samples.severity.tolist(), result.regained.tolist(), strict=True))


def assert_same(got, expected):
    assert [(time, severity, mark) for time, _, severity, mark in got] == [(t, s, m) for t, _, s, m in expected]
    for (_, value, _, _), (_, wanted, _, _) in zip(got, expected, strict=True):
        np.testing.assert_allclose(value, wanted, rtol=1e-9, atol=1e-9)


VALUES = st.one_of(st.floats(-1e3, 1e3), st.just(math.nan))


@st.composite
def queries(draw):
    from_ns = BASE_S * NS + draw(st.integers(0, 20 * NS))
    to_ns = from_ns + draw(st.integers(0, 30 * NS))
    offsets = draw(st.lists(st.integers(1, 30 * NS), max_size=25, unique=True).map(sorted))
    times = [from_ns + offset for offset in offsets if from_ns + offset <= to_ns]
    before = draw(st.sampled_from([None, 0, NS // 2, 2 * NS, 10**6 * NS]))
    times = times if before is None else [from_ns - before, *times]
    points = [(time, draw(VALUES), draw(st.integers(0, 3))) for time in times]
    marked = Marked(samples_of(points), np.array([index % 3 == 2 for index in range(len(points))], np.bool_))
    return points, marked, Interval(from_ns, to_ns)


WIDTHS = st.integers(1, 9)


@given(queries(), WIDTHS, st.sampled_from(sorted(MODEL)))
def test_summaries(query, width, name):
    points, marked, interval = query
    got = Processing(name, width).apply(marked, interval)
    assert got.type is PvType.DOUBLE
    assert_same(listed(got), model_summary(name, points, interval, width, filled=True))
    got = Processing(name + "Sample", width).apply(marked, interval)
    assert_same(listed(got), model_summary(name, points, interval, width, filled=False))


@given(queries(), st.integers(1, 30))
def test_optimized(query, count):
    points, marked, interval = query
    got = Processing("optimized", count).apply(marked, interval)
    if len(points) <= count:
        assert got.samples is marked.samples
        return
    width = max(1, (interval.to_ns // NS - interval.from_ns // NS) // count)
    assert_same(listed(got), model_summary("stats", points, interval, width, filled=True))


@given(queries(), WIDTHS, st.booleans(), st.booleans())
def test_picks(query, width, last, filled):
    points, marked, interval = query
    first_number = interval.from_ns // NS // width
    chosen: dict[int, tuple[int, float, int]] = {}
    for point in points:
        number = point[0] // NS // width
        if number < first_number:
            if not (last or filled):
                continue
            number = first_number - 1
        if last or number not in chosen:
            chosen[number] = point
    if filled:
        expected = []
        content = (0, 0.0, 0)
        for number in range(min(chosen, default=0), interval.to_ns // NS // width + 1) if chosen else ():
            content = chosen.get(number, content)
            expected.append(((number * width + width // 2) * NS, content[1], content[2]))
    else:
        expected = list(chosen.values())
    name = ("last" if last else "first") + ("Fill" if filled else "Sample")
    got = [(time, value, severity) for time, value, severity, _ in listed(Processing(name, width).apply(marked, interval))]
    np.testing.assert_equal(got, expected)


@given(queries(), st.integers(1, 5))
def test_nth_and_ncount(query, stride):
    points, marked, interval = query
    inside = [point for point in points if point[0] >= interval.from_ns]
    assert Processing("nth", stride).apply(marked, interval).samples.time_ns.tolist() == [p[0] for p in inside[::stride]]
    counted = Processing("ncount", 0).apply(marked, interval)
    assert counted.samples.value.tolist() == [len(inside)]
    assert counted.type is PvType.LONG
    assert counted.samples.time_ns.tolist() == [interval.from_ns // 10**6 * 10**6]


def test_every_statistic_agrees_with_numpy():
    values = np.array([1.0, 2.0, 4.0, 8.0])
    points = [(BASE_S * NS + index, value, 0) for index, value in enumerate(values.tolist())]
    marked = Marked(samples_of(points), np.zeros(4, np.bool_))
    expected = {
        "variance": values.var(ddof=1),
        "popvariance": values.var(),
        "jitter": values.std(ddof=1) / values.mean(),
    }
    assert expected.keys() | MODEL.keys() == STATISTICS.keys()
    for name, value in expected.items():
        got = Processing(name, 60).apply(marked, Interval(BASE_S * NS, BASE_S * NS + 10))
        assert got.samples.value.tolist() == [pytest.approx(value)]


def test_infinities_do_not_stop_a_query():
    points = [(BASE_S * NS + index, value, 0) for index, value in enumerate([math.inf, -math.inf, 1e308, 1e308, 1.0])]
    marked = Marked(samples_of(points), np.zeros(5, np.bool_))
    for name, (_, parameter) in OPERATORS.items():
        Processing(name, parameter or 1).apply(marked, Interval(BASE_S * NS, BASE_S * NS + NS))


def test_operators_refuse_what_is_no_number():
    payload = np.array(["on", "off"], object)
    plain = samples_of([(BASE_S * NS, math.nan, 0), (BASE_S * NS + 1, math.nan, 0)])
    marked = Marked(
        Samples(plain.time_ns, plain.received_ns, plain.value, plain.severity, plain.status, plain.flags, payload),
        np.zeros(2, np.bool_),
    )
    interval = Interval(BASE_S * NS, BASE_S * NS + 1)
    with pytest.raises(BadQuery, match="needs a PV that is a number"):
        Processing("mean", 60).apply(marked, interval)
    assert Processing("nth", 1).apply(marked, interval).samples.data(1) == "off"


def test_too_many_bins_are_refused():
    marked = Marked(samples_of([]), np.zeros(0, np.bool_))
    year = Interval(BASE_S * NS, (BASE_S + 365 * 86_400) * NS)
    for name in ("mean", "lastFill"):
        with pytest.raises(BadQuery, match="31,536,000 bins of 1 s"):
            Processing(name, 1).apply(marked, year)


@pytest.mark.parametrize(
    ("text", "name", "processing"),
    [
        ("D:A", "D:A", Processing("raw", 0)),
        (" ca://D:A.VAL ", "D:A", Processing("raw", 0)),
        ("mean(D:A)", "D:A", Processing("mean", 900)),
        ("mean_60(D:A.VAL)", "D:A", Processing("mean", 60)),
        ("mean(pva://D:A, 60)", "D:A", Processing("mean", 60)),
        ("optimized(D:A)", "D:A", Processing("optimized", 1000)),
        ("optimized_2000(D:A)", "D:A", Processing("optimized", 2000)),
        ("ncount(D:A)", "D:A", Processing("ncount", 0)),
    ],
)
def test_ways_to_name_an_operator(text, name, processing):
    assert parse_pv(text) == (name, processing)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mean_60(D:A", "expected operator"),
        ("mean_60 D:A)", "without an opening one"),
        ("mean(min(D:A))", "expected operator"),
        ("mean(D:A)x", "expected operator"),
        ("mean_x(D:A)", "whole number"),
        ("mean_1_2(D:A)", "one whole number"),
        (f"mean_{'9' * 19}(D:A)", "the largest number is 1,000,000,000"),
        (f"optimized_{'9' * 5000}(D:A)", "the largest number is 1,000,000,000"),
        ("meen_60(D:A)", "is no operator"),
        ("(D:A)", "is no operator"),
        ("mean()", "no PV"),
        ("", "no PV"),
    ],
)
def test_bad_ways_to_name_an_operator(text, message):
    with pytest.raises(BadQuery, match=message):
        parse_pv(text)


@pytest.mark.parametrize("name", ["mean_0", "optimized_0", "nth_0", "lastFill_0"])
def test_a_parameter_of_nothing_is_refused(name):
    marked = Marked(samples_of([]), np.zeros(0, np.bool_))
    with pytest.raises(BadQuery):
        parse_operator(name).apply(marked, Interval(0, NS))
