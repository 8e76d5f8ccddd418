"""A real EPICS Base IOC with what a push needs of some controllers; ends when its standard input does.

Usage: ``python base_ioc.py STUCK PREFIX …``: 16 channels each, readbacks follow their setpoints but that of the PV ``STUCK``,
which is updated and stays 1. ``STUCK=55.03`` is a readback of this value that nothing updates any more.
"""

import sys
import tempfile
from pathlib import Path

CHANNEL = """
record(ao, "{p}:BIAS")          {{ field(VAL, "1") field(PINI, "YES") field(DRVH, "80") field(PREC, "3") }}
record(ai, "{p}:BIAS_RBV")      {{ {readback} field(PINI, "YES") }}
record(ao, "{p}:VBR")           {{ field(VAL, "1") field(PINI, "YES") field(DRVH, "80") }}
record(ao, "{p}:CURRENT_LIMIT") {{ field(VAL, "1") field(PINI, "YES") field(DRVH, "10000") }}
record(ai, "{p}:CURRENT_RBV")   {{ field(HIGH, "0.7") field(HIHI, "2") field(HSV, "MINOR") field(PINI, "YES") }}
"""


def database(stuck: str, prefixes: list[str]) -> str:
    channels = [f"{prefix}:CH{n:02d}" for prefix in prefixes for n in range(1, 17)]
    name, _, value = stuck.partition("=")

    def readback(setpoint: str) -> str:
        if setpoint != name:
            return f'field(INP, "{setpoint} CPP NMS")'
        return f'field(INP, "{value}")' if value else 'field(INP, "1") field(SCAN, ".2 second")'

    return "".join(CHANNEL.format(p=channel, readback=readback(f"{channel}:BIAS")) for channel in channels)


def main(stuck: str, prefixes: list[str]) -> None:
    from epicscorelibs import ioc

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "push.db"
        path.write_text(database(stuck, prefixes))
        ioc.start_ioc(dbs=[(str(path), "")])
        sys.stdout.write("running\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
