"""A small language for replaying alarms: ``minor>MINOR! +3 ok>OK`` and the like.

``minor`` … ``undefined``, ``ok``  the PV reports this; ``minor/LOW`` with this message
``ack`` ``unack`` ``disable`` ``enable``  what people do
``+3``  three seconds pass
``>MAJOR``  afterwards the alarm state is this; a final ``!`` means that the step raised the alarm
"""

from alarms import logic
from alarms.level import Level
from alarms.logic import Step
from alarms.state import Acknowledgement, AlarmState, PvState, Rules, initial
from sipmdcs.clock import ManualClock

MESSAGES = {"ok": "OK", "minor": "HIGH", "major": "HIHI", "invalid": "READ", "undefined": "Disconnected"}


class Replay:
    """One PV under a manual clock."""

    def __init__(self, rules: Rules | None = None, state: PvState | None = None) -> None:
        self.clock = ManualClock()
        self.rules = rules or Rules()
        self.state = state or initial(self.clock.time_ns())

    def received(self, word: str) -> AlarmState:
        level, _, message = word.partition("/")
        return AlarmState(Level[level.upper()], message or MESSAGES[level], level, self.clock.time_ns())

    def step(self, word: str) -> Step:
        now, now_ns = self.clock.monotonic(), self.clock.time_ns()
        match word:
            case "ack":
                step = logic.acknowledge(self.state, Acknowledgement("ada", now_ns, "seen"))
            case "unack":
                step = logic.unacknowledge(self.state)
            case "disable":
                step = logic.disable(self.state, now_ns)
            case "enable":
                step = logic.enable(self.state, self.rules, now)
            case _ if word.startswith("+"):
                self.clock.advance(float(word))
                step = logic.expire(self.state, self.rules, self.clock.monotonic())
            case _:
                step = logic.update(self.state, self.rules, self.received(word), now)
        self.state = step.state
        return step

    def run(self, script: str) -> None:
        """Replay and check what the script expects."""
        for index, token in enumerate(script.split()):
            word, expects, expected = token.partition(">")
            step = self.step(word)
            if expects:
                found = step.state.alarm.level.name + ("!" if step.raised else "")
                assert found == expected, f"token {index} {token} of {script!r}: alarm is {found}"


def at(state: AlarmState, level: Level) -> AlarmState:
    """The same state at another level."""
    return state._replace(level=level)
