"""The numbers of states and causes are those of the records."""

from pathlib import Path

import db_templates
from sipmdcs.channelstate import ChannelState, TripCause
from sipmdcs.epicsdb import load_template

TEMPLATES = Path(next(iter(db_templates.__path__)))
MACROS = ("P", "R", "SUB", "NAME", "PORT", "ADDR", "BIAS_MIN", "BIAS_MAX", "I_HIGH", "I_HIHI", "I_LIMIT", "VBR_NOMINAL", "RAMP")
NUMBERS = ("ZR", "ON", "TW", "TH", "FR", "FV", "SX", "SV", "EI", "NI")


def choices(record: str) -> dict[int, str]:
    records = load_template(TEMPLATES / "sipm_channel.template", dict.fromkeys(MACROS, "1"))
    fields = next(one.fields for one in records if one.name.endswith(f":{record}"))
    return {int(fields[f"{place}VL"]): fields[f"{place}ST"] for place in NUMBERS if f"{place}ST" in fields}


def test_states() -> None:
    assert choices("STATE") == {state.value: state.name for state in ChannelState}


def test_causes() -> None:
    assert choices("TRIP_CAUSE") == {cause.value: cause.text.capitalize() for cause in TripCause}
