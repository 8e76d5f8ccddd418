import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from archiver.arrival import ArrivalWatch
from archiver.rows import FUTURE_NS, Flag

NOW = 1_000_000_000_000


def slowly(newest: dict[int, int], pv: int, time_ns: int) -> Flag:
    if time_ns > NOW + FUTURE_NS:
        return Flag.FUTURE
    last = newest[pv]
    newest[pv] = max(last, time_ns)
    return Flag(0) if time_ns > last else Flag.DUPLICATE if time_ns == last else Flag.LATE


@given(
    st.lists(
        st.lists(
            st.tuples(st.integers(0, 3), st.integers(0, 8).map(lambda n: n if n < 8 else NOW + FUTURE_NS + 1)), max_size=12
        ),
        max_size=4,
    ),
    st.lists(st.integers(0, 4), min_size=4, max_size=4),
)
def test_flags_agree_with_looking_at_one_sample_after_the_other(batches, start):
    watch = ArrivalWatch(np.array(start, np.int64))
    newest = dict(enumerate(start))
    for batch in batches:
        pv = np.array([pv for pv, _ in batch], np.uint32)
        times = np.array([time_ns for _, time_ns in batch], np.int64)
        flags = watch.flags(pv, times, np.full(len(batch), NOW))
        assert flags.tolist() == [slowly(newest, pv, time_ns) for pv, time_ns in batch]
        assert watch.newest_ns.tolist() == [newest[pv] for pv in range(4)]
