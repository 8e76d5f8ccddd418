import json

from hypothesis import given

from alarms.state import Pending
from alarms.state_json import from_json, to_json
from sipmdcs.clock import ManualClock
from tests.alarms.replay import Replay
from tests.alarms.test_logic_laws import EVENTS, RULES


@given(RULES, EVENTS)
def test_every_state_survives_the_database(rules, events):
    replay = Replay(rules)
    for event in events:
        replay.step(event)
    restored = from_json(json.loads(json.dumps(to_json(replay.state, replay.clock))), replay.clock, rules.delay_s)
    assert restored._replace(pending=None) == replay.state._replace(pending=None)
    if replay.state.pending is None:
        assert restored.pending is None
    else:
        assert restored.pending is not None
        assert restored.pending.state == replay.state.pending.state
        assert abs(restored.pending.due - replay.state.pending.due) < 1e-6


def test_a_delay_goes_on_over_a_restart():
    replay = Replay()
    state = replay.state._replace(pending=Pending(replay.received("major"), 10.0))
    saved = to_json(state, replay.clock)
    reborn = ManualClock(replay.clock.time_ns() + 4_000_000_000)
    restored = from_json(saved, reborn, delay_s=10)
    assert restored.pending is not None
    assert restored.pending.due == 6.0
    late = ManualClock(replay.clock.time_ns() + 3_600_000_000_000)
    restored = from_json(saved, late, delay_s=10)
    assert restored.pending is not None
    assert restored.pending.due == 0.0
