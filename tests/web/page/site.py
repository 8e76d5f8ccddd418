"""A small real site for the page: three controllers, archiver, alarms and web, and a logbook with known contents."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from sqlalchemy import insert
from sqlalchemy.orm import DeclarativeBase, Session

import analysis.schema
import logbook.schema
from analysis.tables import Job, Macro, Raw, Reco
from logbook.tables import Downtime, DowntimeEdit, Remark, Run, SlowControl, Transition
from sipmdcs.database import make_engine
from sipmdcs.site import Site
from sipmdcs.supervise.demo_site import import_tables
from tests.system.conftest import LISTENERS, copy_of_example
from tests.system.installation import EpicsClient, Installation, wait_until

NAME = "PADME-like veto"
"""In the site file of the example."""
IV_RUN = 30_411
"""Has an IV scan: of sixteen channels, one without a breakdown in range."""
OPEN_RUN = 30_412
RUNS = 60
"""More than one page."""

LAST_RUN_AGO = timedelta(minutes=37)
CHANNELS = 33
"""Of the site: two controllers with sixteen and one with one."""


@dataclass(frozen=True)
class Down:
    """A downtime as it is put into the database."""

    id: int
    detector: str
    category: str
    ago: timedelta
    lasts: timedelta | None
    description: str = ""


DOWNS = (
    Down(1, "PVETO", "Beam", timedelta(days=5), timedelta(hours=6), "no beam from the injector"),
    Down(2, "EVETO", "Beam", timedelta(days=5, hours=-2), timedelta(hours=6), "no beam from the injector"),
    Down(3, "PVETO", "DAQ crash", timedelta(days=3), timedelta(hours=3), "event builder restarted"),
    Down(4, "HEPVETO", "HV trip", timedelta(days=2), timedelta(hours=1), "channel 17.03"),
    Down(5, "PVETO", "Network", timedelta(days=20), timedelta(hours=9), "switch replaced"),
    Down(6, "PVETO", "UNDECIDED", timedelta(minutes=25), None),
)
"""Beam costs 8 hours within 7 days: the two overlap by four."""


_ON, _TRIPPED = 4, 6
_RISING = (3, _ON)
"""Of the record ``STATE``."""


class PageSite:
    """The running site."""

    def __init__(self, installation: Installation, epics: EpicsClient) -> None:
        self.installation = installation
        self.epics = epics
        self.url = f"http://127.0.0.1:{installation.ports['web']}/"

    def put(self, **values: Any) -> None:
        """Write PVs; a double underscore stands for a colon."""
        done = self.epics.ask("put", values={f"PADME:{name.replace('__', ':')}": value for name, value in values.items()})
        assert all(status == 1 for status in done.values()), done

    def get(self, name: str) -> Any:
        """The value of a PV."""
        pv = f"PADME:{name}"
        reading = self.epics.ask("get", names=[pv])[pv]
        assert reading is not None, pv
        return reading["value"]

    def switch_on(self, channel: str) -> None:
        """Switch a channel on again; one that trips on its way is reset first, as a person would."""

        def is_on() -> bool:
            state = self.get(f"{channel}:STATE")
            if state == _TRIPPED:
                self.put(**{f"{channel}:TRIP_RESET": 1})
            if state not in _RISING:
                self.put(**{f"{channel}:ENABLE": 1})
            return state == _ON

        wait_until(is_on, 60, f"{channel} is on", period=1.0)

    def states(self) -> dict[str, str]:
        """States of channels as the API has them, by name."""
        rows = self.installation.http("web", "/api/v1/channels?page%5Blimit%5D=100")["data"]
        return {row["id"]: row["attributes"]["state"] for row in rows}

    def start(self, *services: str) -> None:
        self.installation.run("up", *services)

    def stop(self, *services: str) -> None:
        self.installation.run("down", *services)


@contextmanager
def running_site(folder: Path, ports: list[int]) -> Iterator[PageSite]:
    """The site in ``folder``, which must not exist, all channels on."""
    with copy_of_example(folder, ports) as installation:
        _make_small(folder)
        import_tables(Site(folder), lambda _: None)
        fill(Site(folder))
        installation.run("up")
        with installation.epics() as epics:
            site = PageSite(installation, epics)
            wait_until(lambda: len(site.states()) == CHANNELS, 60, "the API knows the channels")
            for controller in ("PVETO:HV13", "HEPVETO:HV17", "MONITOR:LED"):
                for channel in range(1, 2 if controller.endswith("LED") else 17):
                    site.epics.ask(
                        "put", values={f"PADME:{controller}:CH{channel:02d}:BIAS": 55.0 if "LED" not in controller else 54.0}
                    )
                site.epics.ask("put", values={f"PADME:{controller}:ALL_ON": 1})
            for controller, channels in (("PVETO:HV13", 16), ("HEPVETO:HV17", 16), ("MONITOR:LED", 1)):
                wait_until(lambda c=controller, n=channels: site.get(f"{c}:N_ON") == n, 60, f"{controller} is on")
            wait_until(lambda: set(site.states().values()) == {"ON"}, 60, "all channels are on in the API")
            yield site


def ports_needed() -> int:
    return len(LISTENERS) + 1


def _make_small(folder: Path) -> None:
    path = folder / "site.yaml"
    site = yaml.safe_load(path.read_text("utf-8"))
    site["controllers"] = {name: site["controllers"][name] for name in ("HV13", "HV17", "LED")}
    site["iocs"] = {
        "pveto-a": {"controllers": ["HV13"]},
        "hepveto": {"controllers": ["HV17"]},
        "monitor": {"controllers": ["LED"]},
    }
    site["services"] = ["archiver", "alarms", "web"]
    path.write_text(yaml.safe_dump(site, sort_keys=False), "utf-8")
    alarms = folder / "alarms.yaml"
    found = yaml.safe_load(alarms.read_text("utf-8"))
    found["nodes"] = {name: node for name, node in found["nodes"].items() if name.split("/")[0] in ("PVETO", "HEPVETO")}
    alarms.write_text(yaml.safe_dump(found, sort_keys=False), "utf-8")


def fill(site: Site) -> None:
    """Put runs, downtimes and results into the database of a site."""
    engine = make_engine(site.database_url)
    logbook.schema.upgrade(engine)
    analysis.schema.upgrade(engine)
    now = datetime.now(UTC).replace(microsecond=0)
    rows: dict[type[DeclarativeBase], list[dict[str, Any]]] = {
        Run: [_run(OPEN_RUN - place, place, now) for place in reversed(range(RUNS))],
        Transition: [
            {
                "run": OPEN_RUN,
                "before": "",
                "after": "init",
                "at": now - LAST_RUN_AGO,
                "source": "http",
                "who": "daq",
                "reason": "",
            }
        ],
        Remark: [{"run": IV_RUN, "field": "comment", "value": "after the new cables", "at": now, "who": "M. Rossi"}],
        SlowControl: [
            _slow("PADME:PVETO:HV13:CH01:CURRENT_RBV", "uA", 0.0921, 0.0),
            _slow("PADME:PVETO:HV13:CH01:TEMP_RBV", "degC", 25.37, 312.0),
        ],
        Downtime: [_downtime(down, now) for down in DOWNS],
        DowntimeEdit: [],
        Raw: [_raw(number, now) for number in range(1, 17)],
        Job: [_job(number, now) for number in range(1, 17)],
        Reco: [_reco(number, now) for number in range(1, 17)],
        Macro: [_macro(now)],
    }
    with Session(engine) as session, session.begin():
        for table, values in rows.items():
            if values:
                session.execute(insert(table), values)
    engine.dispose()


def vbr_of(channel: int) -> float | None:
    """The breakdown voltage that the database has for a channel of HV13, volt."""
    return None if channel == 7 else 52.0 + 0.05 * channel


def _run(number: int, place: int, now: datetime) -> dict[str, Any]:
    opened = now - LAST_RUN_AGO - timedelta(hours=2) * place
    is_open = number == OPEN_RUN
    return {
        "number": number,
        "request_key": f"page-{number}",
        "partition": "1",
        "type": "iv" if number == IV_RUN else "physics",
        "state": "running" if is_open else "aborted" if place % 10 == 5 else "ended",
        "opened_at": opened,
        "started_at": opened + timedelta(seconds=3),
        "ended_at": None if is_open else opened + timedelta(minutes=100),
        "opened_by": "daq",
        "ended_by": "" if is_open else "daq",
        "end_reason": "event builder died" if place % 10 == 5 else "",
        "events": None if is_open else 1_234_567 + place,
        "config_version": 1,
        "config_push": 7,
        "config_hash": "5f2a" * 16,
        "config_only": "PVETO/HV13",
        "config_compared": 672,
        "config_differing": 192,
        "config_unread": 16,
        "config_compared_at": opened + timedelta(seconds=9),
        "software_version": "0.1.0",
        "facts": {"trigger": "beam"},
        "summary": "" if is_open else "done",
    }


def _slow(pv: str, unit: str, mean: float, alarm_s: float) -> dict[str, Any]:
    numbers = {"mean": mean, "minimum": mean * 0.9, "maximum": mean * 1.2, "rms": mean * 0.01}
    return {"run": IV_RUN, "pv": pv, "unit": unit, "samples": 600, "alarm_s": alarm_s, "invalid_s": 0.0, **numbers}


def _downtime(down: Down, now: datetime) -> dict[str, Any]:
    started = now - down.ago
    return {
        "id": down.id,
        "request_key": f"page-{down.id}",
        "detector": down.detector,
        "run": OPEN_RUN - down.id,
        "subrun": 4,
        "started_at": started,
        "ended_at": None if down.lasts is None else started + down.lasts,
        "category": down.category,
        "description": down.description,
        "user": "A. Becker" if down.description else "",
        "source": "automatic",
        "created_at": started,
        "revision": 1,
    }


def _channel(number: int) -> str:
    return f"PADME:PVETO:HV13:CH{number:02d}"


def _raw(number: int, now: datetime) -> dict[str, Any]:
    about = {"id": number, "key": f"page-{number}", "run": IV_RUN, "channel": _channel(number), "kind": "iv", "taken_at": now}
    return about | {"path": f"{number}.npy", "size": 1, "sha256": "0" * 64, "conditions": {"temperature_C": 25.0}}


def _job(number: int, now: datetime) -> dict[str, Any]:
    return {
        "id": number,
        "raw": number,
        "state": "done",
        "attempts": 1,
        "owner": "",
        "queued_at": now,
        "started_at": now,
        "ended_at": now,
        "error": "",
    }


def _reco(number: int, now: datetime) -> dict[str, Any]:
    value = vbr_of(number)
    about = {
        "job": number,
        "run": IV_RUN,
        "channel": _channel(number),
        "kind": "iv",
        "quantity": "vbr",
        "method": "ild",
        "unit": "V",
    }
    result = {
        "value": value,
        "uncertainty": None if value is None else 0.021,
        "reason": "" if value else "no breakdown between 45.0 and 51.0 V",
    }
    return about | result | {"quality": {}, "code": "0.1.0", "analysed_at": now}


def _macro(now: datetime) -> dict[str, Any]:
    values = [value for number in range(1, 17) if (value := vbr_of(number)) is not None]
    numbers = {"mean": sum(values) / len(values), "std": 0.24, "minimum": min(values), "maximum": max(values)}
    about = {"run": IV_RUN, "kind": "iv", "quantity": "vbr", "method": "ild", "unit": "V", "channels": 15, "failed": 1}
    return about | numbers | {"code": "0.1.0", "updated_at": now}
