from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from sipmdcs.notify import ALIVE, READY
from sipmdcs.supervise.watchdog import Watchdog

NAMES = ("ioc", "web", "archiver")


class WatchedProcesses(RuleBasedStateMachine):
    """The model remembers for each process how long its observer could have heard it without doing so."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.pids = 0
        self.watchdog = Watchdog()
        self.running: dict[str, int] = {}
        self.silence: dict[str, float] = {}
        self.ready: set[str] = set()
        self.excused: dict[str, float] = {}

    @rule(name=st.sampled_from(NAMES), heard_s=st.none() | st.sampled_from([0.0, 14.0, 15.0]))
    def starts(self, name: str, heard_s: float | None) -> None:
        """It may say that it is ready some seconds before it is seen, which counts if that was not long ago."""
        self.pids += 1
        self.ready.discard(name)
        if heard_s is not None:
            self.watchdog = self.watchdog.heard(self.pids, READY + b"\n" + ALIVE, self.now)
            self.time_passes(heard_s)
            self.ready |= {name} if heard_s < 15.0 else set()
        self.running[name], self.silence[name], self.excused[name] = self.pids, 0.0, 0.0
        self._look()

    @rule(name=st.sampled_from(NAMES))
    def ends(self, name: str) -> None:
        self.running.pop(name, None)
        self._look()

    @rule()
    def looks_again(self) -> None:
        self._look()

    def _look(self) -> None:
        self.watchdog = self.watchdog.seen(self.running.items(), self.now)

    @rule(name=st.sampled_from(NAMES), ready=st.booleans())
    def shows_life(self, name: str, ready: bool) -> None:
        if name in self.running:
            self.silence[name] = self.excused[name] = 0.0
            words = READY + b"\n" + ALIVE if ready else ALIVE
            self.ready |= {name} if ready else set()
            self.watchdog = self.watchdog.heard(self.running[name], words, self.now)

    @rule(words=st.sampled_from([b"", READY, b"STATUS=x", b"\xff" * 300]), pid=st.integers(-5, 50))
    def says_something_else(self, words: bytes, pid: int) -> None:
        before = self.watchdog
        self.watchdog = self.watchdog.heard(pid, words, self.now)
        assert self.watchdog == before

    @rule(pid=st.integers(10_000, 20_000))
    def a_stranger_shows_life(self, pid: int) -> None:
        before = self.watchdog
        self.watchdog = self.watchdog.heard(pid, ALIVE, self.now)
        assert self.watchdog == before

    @rule(seconds=st.sampled_from([0.5, 7.0, 14.5, 15.0, 100.0, 300.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.silence = {name: silent + seconds for name, silent in self.silence.items()}

    @rule(seconds=st.sampled_from([20.0, 1000.0]))
    def the_observer_sleeps(self, seconds: float) -> None:
        self.now += seconds
        self.watchdog = self.watchdog.slept(seconds)

    @rule(name=st.sampled_from(NAMES), seconds=st.sampled_from([0.0, 5.0, 60.0, 400.0]))
    def waits_for_a_processor(self, name: str, seconds: float) -> None:
        if name in self.running:
            self.watchdog = self.watchdog.starved(name, seconds)
            granted = min(seconds, 150.0 - self.excused[name])
            self.excused[name] += granted
            self.silence[name] -= granted

    @rule()
    def what_hangs_is_ended(self) -> None:
        hung = self.watchdog.hung(self.now)
        self.watchdog = self.watchdog.ended(hung, self.now)
        self.silence |= dict.fromkeys(hung, 0.0)

    @invariant()
    def the_silent_hang_and_no_other(self) -> None:
        expected = {name for name in self.running if self.silence[name] >= (15.0 if name in self.ready else 300.0)}
        assert set(self.watchdog.hung(self.now)) == expected


TestWatchedProcesses = WatchedProcesses.TestCase
