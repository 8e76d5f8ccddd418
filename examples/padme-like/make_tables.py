"""Writes the made-up channel and cabling tables of this example, the same ones every time.

The form is that of the PADME veto: 16 controllers of 16 channels, 5 V overvoltage, 3 V on controller 17. The numbers are not:
they step through a fixed pattern.

    python examples/padme-like/make_tables.py
"""

from __future__ import annotations

import csv
from decimal import Decimal
from pathlib import Path

HERE = Path(__file__).parent
CONTROLLERS = ("02", "07", "08", "10", "11", "13", "14", "15", "16", "17", "18", "19", "21", "22", "23", "24")
VETOES = {
    "pveto": ("red", "0316", ("13", "15", "16", "19", "21", "23")),
    "eveto": ("blue", "0302", ("07", "08", "10", "14", "22", "24")),
}
CHANNELS = range(16)


def sensor(controller: str, channel: int) -> dict[str, str]:
    """One row of the channel table; ``channel`` from 0."""
    n = CONTROLLERS.index(controller) * 16 + channel
    breakdown = Decimal("51.50") + Decimal(37 * n % 128) / 100
    overvoltage = 3 if controller == "17" else 5
    return {
        "controller": controller,
        "channel": f"{channel + 1:02d}",
        "cable_position": f"{controller}.{channel // 4 + 1}.{channel % 4 + 1}",
        "preamp_position": f"{500 + n // 4}.{channel % 4 + 1}",
        "sipm_serial": f"DEMO-{n + 1:04d}",
        "vbr_V": str(breakdown),
        "vop_V": str(breakdown + overvoltage),
        "dark_current_uA": str(Decimal(60 + 11 * n % 50) / 1000),
    }


def cabling(veto: str) -> list[dict[str, str]]:
    """The rows of one cabling table, by position along the veto."""
    colour, digitizer, controllers = VETOES[veto]
    rows: list[dict[str, str]] = []
    for position in range(len(controllers) * 16):
        place, channel = divmod(position, 16)
        of_sensor = sensor(controllers[place], channel)
        serial = f"DEMO-S-{veto[0].upper()}{position:03d}"
        rows.append(
            {
                "position": f"{position:02d}",
                "scintillator_serial": serial,
                "sipm_serial": of_sensor["sipm_serial"],
                "sipm_position": of_sensor["cable_position"],
                "internal_cable": f"I{place + 1:02d}-200cm",
                "db37_signal": f"CS{controllers[place]}",
                "db37_hv": f"CH{controllers[place]}",
                "external_signal_cable": f"S{place + 1:03d}",
                "external_hv_cable": f"H{place + 1:02d}",
                "controller_channel": f"{controllers[place]}.{channel + 1:02d}",
                "mcx": f"{colour}-{position:02d}",
                "digitizer_channel": f"{digitizer}.{position:02d}",
                "vop_V": of_sensor["vop_V"],
                "dark_current_uA": of_sensor["dark_current_uA"],
            }
        )
    return rows


def write(path: Path, rows: list[dict[str, str]]) -> None:
    """One table as CSV."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def main(folder: Path = HERE) -> None:
    """Write all three."""
    write(folder / "channels.csv", [sensor(controller, channel) for controller in CONTROLLERS for channel in CHANNELS])
    for veto in VETOES:
        write(folder / f"{veto}_mapping.csv", cabling(veto))


if __name__ == "__main__":
    main()
