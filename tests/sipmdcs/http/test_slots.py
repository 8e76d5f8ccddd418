"""Turns are shared fairly, and a reply that nobody takes holds none."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from sipmdcs.http.errors import HttpError
from sipmdcs.http.limits import Limits
from sipmdcs.http.slots import Slot, Slots

LIMITS = Limits(work=2, work_per_client=1, stuck=1, waiting=4, waiting_per_client=2, wait_s=5)


def no_connection(_reason: str) -> None:
    """There is none to end."""


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


class Crowd:
    """Requests that hold their turn until they are told to go."""

    def __init__(self, slots: Slots) -> None:
        self.slots = slots
        self.order: list[str] = []
        self.cut: list[str] = []
        self.held: dict[str, Slot] = {}
        self._go: dict[str, asyncio.Event] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def ask(self, name: str) -> None:
        self._go[name] = asyncio.Event()
        self.tasks[name] = asyncio.create_task(self._hold(name))
        await settle()

    async def _hold(self, name: str) -> None:
        async with self.slots.turn(name[0], lambda _reason: self.cut.append(name)) as self.held[name]:
            self.order.append(name)
            await self._go[name].wait()

    async def go(self, name: str) -> None:
        self._go[name].set()
        await settle()


@asynccontextmanager
async def crowd(limits: Limits = LIMITS) -> AsyncIterator[Crowd]:
    found = Crowd(Slots(limits))
    try:
        yield found
    finally:
        for task in found.tasks.values():
            task.cancel()
        await asyncio.gather(*found.tasks.values(), return_exceptions=True)
        assert found.slots.waiting == 0


async def test_one_client_leaves_a_turn_to_others() -> None:
    async with crowd() as them:
        for name in ("a1", "a2", "b1", "c1"):
            await them.ask(name)
        assert them.order == ["a1", "b1"]
        await them.go("b1")
        assert them.order == ["a1", "b1", "c1"]
        await them.go("a1")
        assert them.order == ["a1", "b1", "c1", "a2"]


async def test_too_many_who_wait_are_refused_with_a_time_to_come_back() -> None:
    async with crowd() as them:
        for name in ("a1", "a2", "a3", "b1", "b2", "b3"):
            await them.ask(name)
        for name, status in (("a4", 429), ("c1", 503)):
            await them.ask(name)
            with pytest.raises(HttpError) as refused:
                await them.tasks[name]
            assert (refused.value.status, refused.value.headers["Retry-After"]) == (status, "5")


async def test_a_wait_ends() -> None:
    slots = Slots(Limits(work=1, work_per_client=1, wait_s=0.05))
    async with slots.turn("a", no_connection):
        with pytest.raises(HttpError, match=r"no turn came free within 0\.05 s"):
            async with slots.turn("a", no_connection):
                pytest.fail("a second turn")
    async with slots.turn("a", no_connection):
        pass


async def test_a_turn_given_to_one_that_has_just_gone_is_given_on() -> None:
    async with crowd() as them:
        for name in ("a1", "a2", "a3"):
            await them.ask(name)
        them._go["a1"].set()
        await asyncio.sleep(0)
        them.tasks["a2"].cancel()
        await settle()
        assert them.order[-1] == "a3"


async def test_replies_that_are_stuck_give_way_and_the_oldest_of_too_many_is_ended() -> None:
    async with crowd(Limits(work=2, work_per_client=2, stuck=1)) as them:
        for name in ("a1", "a2", "b1"):
            await them.ask(name)
        now = asyncio.get_running_loop().time()
        them.held["a1"].stuck_since = now - 10
        them.held["a2"].stuck_since = now - 5
        them.slots.displace()
        await settle()
        assert them.order == ["a1", "a2", "b1"]
        assert them.cut == []  # nobody waits any more
        await them.ask("b2")
        await them.ask("c1")
        them.slots.displace()
        assert them.cut == ["a1"]


async def test_turns_are_given_back_whatever_happens() -> None:
    slots = Slots(Limits(work=3, work_per_client=3))
    for _ in range(5):
        async with AsyncExitStack() as stack:
            for _ in range(3):
                await stack.enter_async_context(slots.turn("a", no_connection))
