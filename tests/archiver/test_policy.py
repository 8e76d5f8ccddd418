import logging

import pytest

from archiver.policy import ArchiverFile, policies, read_pv_list
from sipmdcs.epicsdb import Record
from sipmdcs.errors import BadInput
from sipmdcs.pvinfo import ArchiveMethod, ArchivePolicy
from sipmdcs.yamlfile import read_yaml

RECORDS = [
    Record("ai", "D:HV:CH01:V", {}, {"archive": "monitor, 1"}),
    Record("ai", "D:HV:CH02:V", {}, {"archive": "monitor, 1"}),
    Record("ai", "D:HV:CH01:NOT", {}, {}),
    Record("ai", "D:SYS:CPU", {}, {"archive": "scan, 10"}),
]
MONITOR, SCAN = ArchiveMethod.MONITOR, ArchiveMethod.SCAN


def chosen(tmp_path, text: str) -> dict[str, ArchivePolicy]:
    path = tmp_path / "archiver.yaml"
    path.write_text(text)
    return policies(RECORDS, read_yaml(path, ArchiverFile).policies)


def test_records_say_for_themselves():
    assert policies(RECORDS, ()) == {
        "D:HV:CH01:V": ArchivePolicy(MONITOR, 1.0),
        "D:HV:CH02:V": ArchivePolicy(MONITOR, 1.0),
        "D:SYS:CPU": ArchivePolicy(SCAN, 10.0),
    }


def test_the_site_refines_by_pattern_and_the_last_one_holds(tmp_path):
    text = """
policies:
  - {pattern: "D:HV:*", archive: "scan, 60"}
  - {pattern: "D:HV:CH02:*", archive: off}
  - {pattern: "D:SYS:?PU", archive: "off"}
"""
    found = chosen(tmp_path, text)
    assert found == {"D:HV:CH01:V": ArchivePolicy(SCAN, 60.0), "D:HV:CH01:NOT": ArchivePolicy(SCAN, 60.0)}


def test_a_pattern_for_nothing_is_pointed_out(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        chosen(tmp_path, 'policies: [{pattern: "E:*", archive: off}]')
    assert "E:* matches no PV" in caplog.text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("policies:\n  - pattern: 'D:*'\n    archive: often", ":3: policies.0.archive: expected"),
        ("policies:\n  - pattern: 'D:*'\n    archive: 'scan, -1'", "expected"),
        ("policies:\n  - pattern: 'D:*'\n    archive: 'scan, x'", "expected"),
        ("policies:\n  - archive: off", ":2: policies.0.pattern: is missing"),
        ("policies: []\ncompact_s: 1", ":2: compact_s: input should be greater"),
        ("policy: []", ":1: policy: unknown key"),
    ],
)
def test_bad_files_are_refused_with_line_and_key(tmp_path, text, message):
    with pytest.raises(BadInput) as caught:
        chosen(tmp_path, text)
    assert message in str(caught.value)


def test_a_bad_record_is_refused():
    with pytest.raises(BadInput, match="archive policy"):
        policies([Record("ai", "D:V", {}, {"archive": "sometimes"})], ())


def test_a_plain_list(tmp_path):
    path = tmp_path / "pvs.txt"
    path.write_text("# my PVs\n\nD:A\n  D:B \nD:A.VAL\nD:C.VAL\nD:C.HIHI\n")
    assert list(read_pv_list(path)) == ["D:A", "D:B", "D:C", "D:C.HIHI"]
    path.write_text("D:A\nD:B\n", "utf-16")
    with pytest.raises(BadInput, match=r"pvs.txt:1: byte 0xff is not UTF-8"):
        read_pv_list(path)
