from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipmdcs.supervise.backoff import Backoff, History
from sipmdcs.supervise.keeper import read_histories, write_histories

POLICY = Backoff(first_s=0.5, cap_s=60.0, calm_s=60.0)


@pytest.mark.parametrize(
    ("failures", "delay"), [(1, 0.5), (2, 1.0), (3, 2.0), (7, 32.0), (8, 60.0), (9, 60.0), (100_000, 60.0)]
)
def test_delay_doubles_up_to_the_cap(failures: int, delay: float) -> None:
    assert POLICY.delay(failures) == delay


@given(st.lists(st.floats(0, 59.9), min_size=1, max_size=200))
def test_deaths_without_calm_wait_ever_longer_but_never_for_ever(lives: list[float]) -> None:
    history, now, delays = History(), 0.0, []
    for ran_s in lives:
        now += ran_s
        history = history.died(now, ran_s, POLICY)
        assert history.due is not None
        delays.append(history.due - now)
        now = history.due
        history = history.started()
        assert history.due is None
    assert delays == pytest.approx([POLICY.delay(n) for n in range(1, len(lives) + 1)])
    assert history.restarts == len(lives)


def test_a_calm_life_forgets_the_deaths_before() -> None:
    history = History(restarts=9, failures=9).died(1000.0, 60.0, POLICY)
    assert history == History(restarts=9, failures=1, due=1000.5)


@given(st.integers(1, 20), st.floats(-1e6, 1e6))
def test_no_start_waits_longer_than_the_cap_wherever_the_clock_is_set(failures: int, step_s: float) -> None:
    history = History(failures=failures - 1).died(1000.0, 0.0, POLICY)
    assert not history.is_due(1000.0, POLICY)
    assert history.is_due(1000.0 + POLICY.delay(failures), POLICY)
    assert history.is_due(1000.0 + step_s, POLICY) or history.is_due(1000.0 + step_s + POLICY.cap_s, POLICY)
    assert not history.started().is_due(1000.0 + step_s, POLICY)


@pytest.mark.parametrize(
    "left", [b"", b"{", b"\xff", b"[]", b'{"tiny": 1}', b'{"tiny": {"deaths": 1}}', b'{"tiny": {"no such": 1}}']
)
def test_what_a_loss_of_power_left_of_the_histories_stops_no_keeper(tmp_path: Path, left: bytes) -> None:
    file = tmp_path / "keeper.json"
    assert read_histories(file) == {}
    write_histories(file, {"tiny": History().hung()})
    assert read_histories(file) == {"tiny": History().hung()}
    file.write_bytes(left)
    assert read_histories(file) == {}
