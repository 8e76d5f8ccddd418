"""Records that begin to run when somebody looks: nobody can tell them from those that ran all the time."""

from importlib import resources
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alarms.state_records import StateRecords
from iocs.publisher import RecordServer
from sipmdcs.clock import ManualClock
from sipmdcs.errors import BadInput, NotConnected

TEMPLATE = Path(str(resources.files("db_templates"))) / "alarm_node.template"
NAMES = ("ONE", "TWO")
STATES = StateRecords(TEMPLATE, dict.fromkeys(NAMES, "text"))


@given(st.lists(st.tuples(st.sampled_from(NAMES), st.integers(0, 8), st.booleans()), max_size=10))
def test_a_record_on_demand_is_like_one_that_ran_from_the_start(steps: list[tuple[str, int, bool]]) -> None:
    clock = ManualClock()
    running = RecordServer(STATES.values(), clock=clock)
    on_demand = RecordServer([], clock=clock, on_demand=STATES)
    for name, value, looks in steps:
        clock.advance(1)
        for server in (running, on_demand):
            server.post({name: value})
        if looks:
            assert on_demand._server.channel(f"{name}.VAL") is not None
    for name in NAMES:
        records = [server._record(name) for server in (running, on_demand)]
        one, other = ({field: getattr(record, field.lower()) for field in record.FIELDS} for record in records)
        del one["ACKS"], other["ACKS"]  # the worst that somebody may have seen
        assert one == other
        if any(name == posted for posted, *_ in steps):
            assert records[0].time_ns == records[1].time_ns


def test_a_record_on_demand_is_found_and_costs_nothing_before() -> None:
    server = RecordServer([], on_demand=STATES)
    assert server._server.has("ONE")
    assert server._server.has("ONE.DESC")
    assert not server._server.has("ONE.NONSENSE")
    assert not server._server.has("THREE")
    assert len(server._records) == 0
    server.post({"ONE": 6})
    assert server.value("ONE") == 6
    assert list(server._records) == ["ONE"]
    with pytest.raises(NotConnected):
        server.post({"THREE": 1})


def test_one_name_is_one_record() -> None:
    with pytest.raises(BadInput, match="ONE is defined twice"):
        RecordServer([STATES["ONE"]], on_demand=STATES)


def test_a_template_of_other_records_is_refused_at_the_start(tmp_path: Path) -> None:
    template = tmp_path / "alarm_node.template"
    template.write_text('record(longin, "$(P):STATE") {}\n')
    with pytest.raises(BadInput, match=r"alarm_node\.template: makes other records than the one named \$\(P\)"):
        RecordServer([], on_demand=StateRecords(template, {"ONE": ""}))
