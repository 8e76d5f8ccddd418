"""Run numbers: each given out once, by however many processes and threads."""

import multiprocessing
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest

from logbook.refusals import Conflict
from logbook.store import Store, take_numbers
from sipmdcs.database import make_engine

PROCESSES, TIMES = 4, 25


def take_many(url: str) -> list[int]:
    store = Store(make_engine(url))
    taken: list[int] = []
    for count in range(TIMES):
        taken += store.reserve((), 1 + count % 3)
    store.close()
    return taken


def test_no_number_is_given_out_twice_by_many_processes(store: Store, database_url: str) -> None:
    store.ping()
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])  # SQLAlchemy is loaded once, not by each process
    with context.Pool(PROCESSES) as pool:
        taken = pool.map(take_many, [database_url] * PROCESSES)
    numbers = [number for each in taken for number in each]
    assert sorted(numbers) == list(range(1, len(numbers) + 1))
    assert len(numbers) == PROCESSES * sum(1 + count % 3 for count in range(TIMES))
    assert all(before < after for each in taken for before, after in pairwise(each))


def test_no_number_is_given_out_twice_by_many_threads(store: Store) -> None:
    store.ping()
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda _: store.reserve((), 1)[0], range(80)))
    assert sorted(taken) == list(range(1, 81))


def test_a_number_taken_in_a_transaction_that_fails_is_free_again(store: Store) -> None:
    def take_and_fail() -> None:
        with store.begin() as connection:
            assert list(take_numbers(connection, 3)) == [1, 2, 3]
            raise Conflict("on purpose")

    with pytest.raises(Conflict, match="on purpose"):
        take_and_fail()
    assert store.reserve((), 2) == (1, 2)


def test_held_numbers_are_kept_until_somebody_else_takes_one(store: Store) -> None:
    held = store.reserve((), 3)
    assert held == (1, 2, 3)
    assert store.reserve(held, 3) == held
    assert store.reserve(held[1:], 3) == (2, 3, 4)
    store.reserve((), 1)
    assert store.reserve((2, 3, 4), 3) == (6, 7, 8)
