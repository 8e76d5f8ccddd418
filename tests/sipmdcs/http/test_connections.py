"""Who keeps a place when there are more connections than places."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from sipmdcs.http.connections import ConnectionTable, Waits


@dataclass(eq=False)
class Client:
    waits: Waits = Waits.FIRST
    since: float = 0.0

    @property
    def waiting(self) -> tuple[Waits, float]:
        return self.waits, self.since


def fill(table: ConnectionTable[Client], address: str, *clients: Client) -> None:
    for client in clients:
        assert table.admit(address) == (True, None)
        table.add(client, address)


def test_the_one_that_was_silent_longest_makes_room_and_those_that_were_served_stay() -> None:
    table: ConnectionTable[Client] = ConnectionTable(4, 4)
    silent, older, served, working = Client(since=2), Client(since=1), Client(Waits.NEXT), Client(Waits.SERVICE)
    fill(table, "a", silent, older, served, working)
    assert table.admit("b") == (True, older)
    assert table.admit("b") == (True, silent)
    assert table.admit("b") == (True, served)
    assert table.admit("b") == (False, None)
    assert len(table) == 4


def test_an_address_beyond_its_places_takes_those_of_its_own() -> None:
    table: ConnectionTable[Client] = ConnectionTable(100, 2, proxies=["proxy"])
    other, mine, busy = Client(), Client(since=5), Client(Waits.SERVICE)
    fill(table, "b", other)
    fill(table, "a", mine, busy)
    assert table.admit("a") == (True, mine)
    table.add(newest := Client(Waits.SERVICE), "a")
    assert table.admit("a") == (False, None)
    table.remove(newest)
    table.remove(newest)
    assert table.admit("a") == (True, None)
    fill(table, "proxy", *(Client() for _ in range(50)))


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(Waits)), max_size=60), st.integers(1, 6), st.integers(1, 4))
def test_limits_hold_and_work_is_never_ended(arrivals: list[tuple[str, Waits]], limit: int, per_address: int) -> None:
    table: ConnectionTable[Client] = ConnectionTable(limit, per_address)
    open_: dict[Client, str] = {}
    for number, (address, waits) in enumerate(arrivals):
        admitted, victim = table.admit(address)
        if victim is not None:
            assert victim.waits is not Waits.SERVICE
            del open_[victim]
        if admitted:
            table.add(client := Client(waits, number), address)
            open_[client] = address
        else:
            full = len(open_) == limit or sum(where == address for where in open_.values()) == per_address
            assert full
        assert set(table) == set(open_)
        assert len(table) == len(open_) <= limit
        assert all(list(open_.values()).count(where) <= per_address for where in "abc")
