import numpy as np

from archiver.rows import Rows
from archiver.sampler import Sampler
from sipmdcs.channels import Kind
from sipmdcs.clock import NS
from tests.archiver.making import START_NS, link_rows, payload_rows, sample_rows

NOTHING = Rows(sample_rows([]).rows, [])


def at(second: float) -> int:
    return START_NS + round(second * NS)


def run(sampler: Sampler, made: Rows, second: float) -> list[tuple[int, float]]:
    out = sampler.pass_on(made.rows["pv"], made.rows.copy(), made.payloads, at(second))
    return list(zip(out.rows["pv"].tolist(), out.rows["value"].tolist(), strict=True))


def test_newest_once_a_period():
    sampler = Sampler(np.array([10.0, 0.0]))
    assert run(sampler, sample_rows([(0, 1, 1.0), (1, 1, 5.0)]), 1) == [(1, 5.0), (0, 1.0)]
    assert run(sampler, sample_rows([(0, 2, 2.0), (1, 2, 6.0), (0, 3, 3.0)]), 3) == [(1, 6.0)]
    assert run(sampler, NOTHING, 9.9) == []
    assert run(sampler, NOTHING, 10) == [(0, 3.0)]
    assert run(sampler, NOTHING, 20) == [], "nothing new came"


def test_a_disconnection_comes_after_the_last_value_before_it():
    sampler = Sampler(np.array([10.0]))
    run(sampler, sample_rows([(0, 0, 0.0)]), 0)
    parts = [sample_rows([(0, 1, 1.0)]), link_rows([(0, 2, False), (0, 3, True)]), sample_rows([(0, 4, 4.0)])]
    rows = np.concatenate([part.rows for part in parts])
    out = sampler.pass_on(rows["pv"], rows, [], at(4)).rows
    assert [Kind(kind).name for kind in out["kind"]] == ["SCALAR", "DISCONNECTED", "CONNECTED"]
    assert out["value"][0] == 1.0
    assert sampler.flush().rows["value"].tolist() == [4.0]


def test_only_the_payloads_that_are_kept_go_on():
    sampler = Sampler(np.array([10.0, 0.0]))
    first = payload_rows([(0, 0, "a")])
    sampler.pass_on(first.rows["pv"], first.rows, first.payloads, at(0))
    made = payload_rows([(0, 1, "b"), (1, 1, "x"), (0, 2, "c")])
    assert sampler.pass_on(made.rows["pv"], made.rows, made.payloads, at(2)).payloads == ["x"]
    out = sampler.pass_on(NOTHING.rows["pv"], NOTHING.rows, [], at(10))
    assert out.payloads == ["c"]
    assert out.rows["payload"].tolist() == [1]


def test_a_clock_that_is_set_back_makes_no_hole():
    sampler = Sampler(np.array([10.0]))
    run(sampler, sample_rows([(0, 3600, 0.0)]), 3600)
    assert run(sampler, sample_rows([(0, 1, 1.0)]), 1) == [(0, 1.0)]
    assert run(sampler, sample_rows([(0, 2, 2.0)]), 2) == []
    assert run(sampler, NOTHING, 10) == [(0, 2.0)]
