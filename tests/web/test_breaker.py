"""The circuit breaker holds its promises in every order of questions, answers, silences and time."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from sipmdcs.clock import ManualClock
from web.breaker import PROBE_S, RETRY_S, Breaker, Circuit


class AnyOrder(RuleBasedStateMachine):
    """Several questions may be out at a time, and each ends late, silent or never."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.breaker = Breaker()
        self.out = 0
        self.silent_since: int | None = None
        self.asked_silent_at: float | None = None
        """When the last question went out, or stayed unanswered, since the source fell silent."""

    @rule()
    def ask(self) -> None:
        now = self.clock.monotonic()
        admitted = self.breaker.admit(now)
        if admitted is None:
            assert self.silent_since is not None, "a source that answers is always asked"
            assert self.breaker.retry_in(now) > 0
            return
        if self.silent_since is not None:
            assert self.asked_silent_at is not None
            assert now >= self.asked_silent_at + RETRY_S, "a silent source is asked once in a while"
            assert admitted.circuit is Circuit.HALF_OPEN
            assert admitted.admit(now) is None, "one probe at a time"
            self.asked_silent_at = now
        self.breaker = admitted
        self.out += 1

    @precondition(lambda self: self.out)
    @rule()
    def answer(self) -> None:
        self.out -= 1
        self.breaker = self.breaker.answered()
        self.silent_since = self.asked_silent_at = None

    @precondition(lambda self: self.out)
    @rule()
    def stay_silent(self) -> None:
        self.out -= 1
        self.breaker = self.breaker.unanswered(self.clock.monotonic(), self.clock.time_ns())
        self.silent_since = self.clock.time_ns() if self.silent_since is None else self.silent_since
        self.asked_silent_at = self.clock.monotonic()

    @precondition(lambda self: self.out)
    @rule()
    def vanish(self) -> None:
        self.out -= 1

    @rule(quarters=st.integers(0, int(8 * PROBE_S)))
    def wait(self, quarters: int) -> None:
        self.clock.advance(quarters / 4)

    @rule(seconds=st.integers(-1_000_000, 1_000_000))
    def set_the_wall_clock(self, seconds: int) -> None:
        self.clock.step(seconds)

    @invariant()
    def it_says_since_when(self) -> None:
        assert self.breaker.since_ns == self.silent_since
        assert (self.breaker.circuit is Circuit.CLOSED) is (self.silent_since is None)

    @invariant()
    def it_is_asked_again_in_a_bounded_time(self) -> None:
        now = self.clock.monotonic()
        left = self.breaker.retry_in(now)
        assert 0 <= left <= PROBE_S
        assert self.breaker.admit(now + left) is not None


AnyOrder.TestCase.settings = settings(max_examples=60, stateful_step_count=40)
TestBreaker = AnyOrder.TestCase
