from datetime import UTC, datetime, timedelta

import pytest

from alarms.configuration import configure
from alarms.state import Rules
from sipmdcs.epicsdb import Record
from sipmdcs.errors import BadInput

CURRENT = "DET:VETO:HV1:CH01:CURRENT_RBV"
TEMPERATURE = "DET:VETO:HV1:CH01:TEMP_RBV"
FULL = f"""\
guidance:
  over-current: Switch the channel off.
  hot: Look at the fans.
nodes:
  VETO: {{description: The veto, guidance: hot}}
pvs:
  "*:CURRENT_RBV": {{delay_s: 4, count: 3}}
  {CURRENT}: {{latching: false, description: Current}}
extra:
  "ACC:BEAM": {{path: BEAM, delay_s: 2, enabled: 2027-01-31T08:00:00+01:00}}
"""


def record(name: str, alarm: str | None) -> Record:
    info = {} if alarm is None else {"alarm": alarm}
    return Record("ai", name, {"DESC": "As the record says"}, info, file="a.template", lines={"": 1, "info(alarm)": 7})


RECORDS = [
    record(CURRENT, "VETO/HV1/CH01 guidance=over-current"),
    record(TEMPERATURE, "VETO/HV1/CH01 latch=no annunciate=no delay=10"),
    record("DET:VETO:HV1:CH01:BIAS", None),
]


def configured(tmp_path, text, records=RECORDS):
    path = tmp_path / "alarms.yaml"
    path.write_text(text)
    return configure(records, path)


def test_records_alone_make_a_tree(tmp_path):
    tree = configure(RECORDS, tmp_path / "alarms.yaml").tree
    assert list(tree.nodes) == [(), ("VETO",), ("VETO", "HV1"), ("VETO", "HV1", "CH01")]
    assert list(tree.leaves) == [CURRENT, TEMPERATURE]
    assert tree.leaves[TEMPERATURE].rules == Rules(latching=False, annunciating=False, delay_s=10)
    assert tree.leaves[TEMPERATURE].description == "As the record says"
    assert tree.areas == (("VETO",),)


def test_yaml_refines_the_tree(tmp_path):
    tree = configured(tmp_path, FULL).tree
    assert tree.leaves[CURRENT].rules == Rules(latching=False, delay_s=4, count=3)
    assert tree.leaves[CURRENT].description == "Current"
    assert tree.guidance(tree.leaves[CURRENT]) == ["Switch the channel off.", "Look at the fans."]
    assert tree.nodes["VETO",].description == "The veto"
    assert tree.leaves["ACC:BEAM"].path == ("BEAM",)


def test_disabled_until_a_time(tmp_path):
    leaf = configured(tmp_path, FULL).tree.leaves["ACC:BEAM"]
    until = datetime(2027, 1, 31, 7, tzinfo=UTC)
    assert not leaf.enabled_at(until - timedelta(microseconds=1))
    assert leaf.enabled_at(until)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("pvs:\n  'DET:*:NOTHING': {delay_s: 1}\n", "alarms.yaml:2: pvs.DET:*:NOTHING: no PV"),
        ("nodes:\n  VETO/HV2: {description: x}\n", "alarms.yaml:2: nodes.VETO/HV2: no PV"),
        ("nodes:\n  VETO//HV1: {}\n", "alarms.yaml:2: nodes.VETO//HV1"),
        (f"\npvs:\n  {CURRENT}:\n    guidance: nope\n", "alarms.yaml:4: pvs." + CURRENT + ".guidance: nope is no key"),
        ("nodes:\n  VETO: {guidance: nope}\n", "alarms.yaml:2: nodes.VETO.guidance: nope is no key"),
        (f"extra:\n  {CURRENT}: {{path: X}}\n", f"alarms.yaml:2: extra.{CURRENT}: is in the tree already"),
        ("extra:\n  A:B: {delay_s: 1}\n", "alarms.yaml:2: extra.A:B.path: is missing"),
        (f"pvs:\n  {CURRENT}: {{count: 3}}\n", f"alarms.yaml:2: pvs.{CURRENT}: count 3 means nothing without delay_s"),
        (f"pvs:\n  {CURRENT}: {{enabled: 2027-01-31T08:00:00}}\n", f"alarms.yaml:2: pvs.{CURRENT}.enabled"),
        (f"pvs:\n  {CURRENT}: {{delay: 3}}\n", f"alarms.yaml:2: pvs.{CURRENT}.delay: unknown key"),
        ('extra:\n  A:B: {path: X, mask: "M\\n:ASK"}\n', "alarms.yaml:2: extra.A:B.mask: expected the name of a PV"),
        ("disconnect_grace_s: -1\n", "alarms.yaml:1: disconnect_grace_s"),
    ],
)
def test_complaint_names_file_line_and_key(tmp_path, text, complaint):
    with pytest.raises(BadInput) as err:
        configured(tmp_path, text)
    assert complaint in str(err.value)


def test_count_without_delay_in_a_record(tmp_path):
    with pytest.raises(BadInput, match=r"a\.template:7: .*count=3 means nothing without delay"):
        configured(tmp_path, "", [record(CURRENT, "VETO count=3")])


def test_unwritten_guidance_is_no_reason_to_stop(tmp_path, caplog):
    assert configured(tmp_path, "").tree.leaves[CURRENT].guidance == ""
    assert "no guidance text for: over-current" in caplog.text
