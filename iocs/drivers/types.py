"""The kinds of controller that come with the program; entry points of the group ``sipmdcs.drivers``."""

from __future__ import annotations

from dataclasses import replace

from sipmdcs.controllers import ControllerType

C11204 = ControllerType(
    name="c11204",
    description="Hamamatsu C11204-02, one output, serial line",
    channels=1,
    bias_min_V=40.0,
    bias_max_V=90.0,
    controller_templates=("controller.template", "c11204.template"),
    channel_templates=("sipm_channel.template",),
    driver="iocs.drivers.c11204:C11204Driver",
    simulator="iocs.simulators.c11204_server:serve_c11204",
    # Its current monitor has steps of 5 uA: good for over-current only. Limits: 2 mA specified, 3 mA for 4 s shuts it down.
    macros=(("I_HIGH", "500"), ("I_HIHI", "2000"), ("I_LIMIT", "2500"), ("I_HYST", "10"), ("I_ADEL", "4")),
)

C11204_01 = replace(
    C11204,
    name="c11204-01",
    description="Hamamatsu C11204-01, one output, serial line",
    bias_min_V=50.0,
    simulator="iocs.simulators.c11204_server:serve_c11204_01",
)

PADME_NIM = ControllerType(
    name="padme-nim",
    description="PADME-NIM module (INFN-LNF), 16 outputs, telnet and HTTP",
    channels=16,
    bias_min_V=0.0,
    bias_max_V=80.0,
    controller_templates=("controller.template", "padme_nim.template"),
    channel_templates=("sipm_channel.template", "padme_nim_channel.template"),
    driver="iocs.drivers.padme_nim:PadmeNimDriver",
    simulator="iocs.simulators.padme_nim_server:serve_padme_nim",
    # It shows voltages to 0.1 V, and modules in good order have shown up to 0.8 V between request and level.
    macros=(("VDEV_LOLO", "-1000"), ("VDEV_LOW", "-300"), ("VDEV_HIGH", "300"), ("VDEV_HIHI", "1000")),
)
