"""Threads that are there before there is work."""

import threading

import pytest

from sipmdcs.threads import started_pool


def _refuse(*_: object) -> None:
    raise RuntimeError("can't start new thread")


def test_all_threads_work_although_no_other_can_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    with started_pool(5, "test") as pool:
        monkeypatch.setattr(threading, "_start_new_thread", _refuse)
        together = threading.Barrier(5)
        assert sorted(pool.map(lambda _: together.wait(10), range(5))) == [0, 1, 2, 3, 4]


def test_without_room_for_them_there_is_no_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    start, left = threading._start_new_thread, [2]  # type: ignore[attr-defined]

    def refuse_the_third(*args: object) -> object:
        left[0] -= 1
        return _refuse() if left[0] < 0 else start(*args)

    before = threading.active_count()
    monkeypatch.setattr(threading, "_start_new_thread", refuse_the_third)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        started_pool(5, "test")
    for thread in [*threading.enumerate()]:
        if thread.name.startswith("test"):
            thread.join(10)
    assert threading.active_count() == before
