"""A bench with agents of every kind, well-behaved and not."""

from collections.abc import Callable, Iterator

import pytest

from tests.agents.bench import Bench, Memcached

GOOD = """
agent = Agent(interval=0.2, inputs={"x": ["$(DET):BENCH:PS1:X", "T:BENCH:PS1:Y"]}, require="all",
              outputs=[Output("SUM", unit="V", precision=2, high=100), Output("LABEL", kind="text"), Output("N", kind="int")])
def work(inputs):
    return {"SUM": sum(inputs["x"].numbers.values()), "LABEL": "x" * 60, "N": len(inputs["x"])}
"""
BAD = {
    "hang": 'agent = Agent(interval=0.2, timeout=0.5, outputs=[Output("V")])\ndef work(inputs):\n    while True: pass\n',
    "segv": "import ctypes\nagent = Agent(interval=0.2)\ndef work(inputs):\n    ctypes.string_at(0)\n",
    "exits": "import os\nagent = Agent(interval=0.2)\ndef work(inputs):\n    os._exit(3)\n",
    "raises": 'agent = Agent(interval=0.2, outputs=[Output("V")])\ndef work(inputs):\n    return {"V": 1 / 0}\n',
    "hungry": "agent = Agent(interval=0.2)\ndef work(inputs):\n    return {'V': bytearray(1 << 31)}\n",
    "syntax": "agent = Agent(interval=1)\ndef work(inputs)\n    return {}\n",
    "macro": "agent = Agent(interval=1, inputs={'x': '$(NOBODY):X'})\ndef work(inputs):\n    return {}\n",
    "missing": "agent = Agent(interval=1)\n",
    "interval": "agent = Agent(interval=0)\ndef work(inputs):\n    return {}\n",
    "summary": "agent = Agent(interval=1)\ndef work(inputs):\n    return {}\n",
}
QUIET = """\
agents:
  hotcache: {enable: false}
  gaindrift: {enable: false}
"""


@pytest.fixture
def make_bench(tmp_path, free_ports: Callable[[int], list[int]]) -> Iterator[Callable[..., Bench]]:
    """Makes benches, and stops them at the end."""
    made: list[Bench] = []

    def make(plant: dict[str, float] | None = None) -> Bench:
        made.append(Bench(tmp_path / f"site{len(made)}", free_ports(3), {"X": 1.5, "Y": 2.0} if plant is None else plant))
        made[-1].write("agents.yaml", QUIET)
        return made[-1]

    yield make
    for bench in made:
        bench.stop()


@pytest.fixture(scope="package")
def bench(tmp_path_factory: pytest.TempPathFactory, free_ports: Callable[[int], list[int]]) -> Iterator[Bench]:
    """Agents of every kind in one running host."""
    bench = Bench(tmp_path_factory.mktemp("agents") / "site", free_ports(3), {"X": 1.5, "Y": 2.0})
    bench.write("agents.yaml", QUIET)
    bench.plugin("good", GOOD)
    for name, text in BAD.items():
        bench.plugin(name, text)
    try:
        bench.start()
        yield bench
    finally:
        bench.stop()


@pytest.fixture
def memcached(free_port: int) -> Iterator[Memcached]:
    """A running memcached of this test alone."""
    server = Memcached(free_port)
    try:
        server.start()
        yield server
    finally:
        server.stop()


EDITED = 'agent = Agent(interval=0.2, outputs=[Output("V", unit="V")])\ndef work(inputs):\n    return {"V": 1}\n'


@pytest.fixture(scope="module")
def editing_host(tmp_path_factory: pytest.TempPathFactory, free_ports: Callable[[int], list[int]]) -> Iterator[Bench]:
    """A host of one module of tests; not the one of the package, whose agents keep their versions."""
    bench = Bench(tmp_path_factory.mktemp("reload") / "site", free_ports(3), {"X": 1.0})
    bench.write("agents.yaml", QUIET)
    bench.plugin("edited", EDITED)
    try:
        bench.start()
        yield bench
    finally:
        bench.stop()


@pytest.fixture
def site(editing_host: Bench) -> Bench:
    """The host with the plugin as it was at first."""
    editing_host.plugin("edited", EDITED)
    editing_host.write("agents.yaml", QUIET)
    editing_host.until("EDITED:INTERVAL", 0.2)
    editing_host.until("EDITED:V", 1.0)
    editing_host.until("EDITED:STATE", 1)
    return editing_host
