"""What the simulators of a site are made of."""

from __future__ import annotations

from pathlib import Path

import pytest

from iocs.simulators.plant import rendered_breakdown, simulated
from sipmdcs.errors import BadInput
from sipmdcs.site import Site

SITE = """
name: One
prefix: DET
controllers:
  HV01: {driver: padme-nim, id: "01", subsystem: VETO, port: sim}
  HV02: {driver: padme-nim, id: "02", subsystem: VETO, port: "tcp://192.168.5.2"}
iocs:
  all: {controllers: [HV01, HV02]}
"""
MACROS = 'P="DET:VETO:HV01", PORT="HV01", SUB="VETO", NAME="HV01", BIAS_MIN="0", BIAS_MAX="80"'


@pytest.fixture
def site(tmp_path: Path) -> Site:
    (tmp_path / "site.yaml").write_text(SITE)
    return Site(tmp_path)


def render(site: Site, *rows: str) -> None:
    site.rendered.mkdir(parents=True)
    body = "\n".join(f"file sipm_channel.template {{ {{ {MACROS}, {row} }} }}" for row in rows)
    (site.rendered / "all.substitutions").write_text(body)


def test_only_controllers_on_port_sim(site: Site) -> None:
    assert simulated(site) == ["HV01"]


def test_breakdown_voltages_are_those_that_were_rendered(site: Site) -> None:
    assert rendered_breakdown(site) == {}
    render(site, 'R="CH01", ADDR="1", VBR_NOMINAL="52.34"', 'R="CH02", ADDR="2"')
    assert rendered_breakdown(site) == {("HV01", 1): 52.34, ("HV01", 2): 52.5}


def test_breakdown_voltage_that_is_no_number(site: Site) -> None:
    render(site, 'R="CH01", ADDR="1", VBR_NOMINAL="high"')
    with pytest.raises(BadInput, match="DET:VETO:HV01:CH01:VBR: VAL is 'high', expected a voltage"):
        rendered_breakdown(site)
