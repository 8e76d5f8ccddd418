"""An IOC process and what its site file says."""

from pathlib import Path

import pytest

from iocs.controller_process import build_controller
from iocs.publisher import RecordServer
from sipmdcs.clock import SystemClock
from sipmdcs.errors import BadInput
from sipmdcs.site import Site

SITE = """
name: Test
prefix: TST
controllers:
  PS1: {driver: c11204, id: "1", subsystem: LAB, port: "usb:1"}
iocs:
  one: {controllers: [PS1]}
"""


def test_a_wrong_port_is_named_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text(SITE)
    with pytest.raises(BadInput, match=r"site\.yaml:5: controllers\.PS1\.port: expected sim, serial.*found 'usb:1'"):
        build_controller(Site(tmp_path), "PS1", [], RecordServer([]), SystemClock())


def test_a_controller_without_records_is_not_run(tmp_path: Path) -> None:
    """Such as after a full disk left an empty file: control of nothing must not look like control."""
    (tmp_path / "site.yaml").write_text(SITE.replace("usb:1", "sim"))
    with pytest.raises(BadInput, match=r"rendered/one\.substitutions: no record is bound to PS1; run: sipmdcs config render"):
        build_controller(Site(tmp_path), "PS1", [], RecordServer([]), SystemClock())
