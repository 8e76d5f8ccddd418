"""A small detector's history in SQL: every table that the API reads has rows, with nulls and awkward texts among them."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, insert, update

import analysis.schema
import logbook.schema
from analysis.tables import Base as AnalysisBase
from configtool.tables import Base as ConfigBase
from logbook.tables import Base as LogbookBase
from sipmdcs.database import make_engine

START = datetime(2026, 11, 20, 8, tzinfo=UTC)
RUNS = 25
CHANNEL = "LAB:VETO:HV1:CH01"
VBR = 51.6
"""Breakdown voltage that the newest analysis found, volt."""
AWKWARD = "50 % of `it`_\\ 'quoted' \"twice\"; DROP TABLE logbook_run;-- ü €\n2nd line"


def fill(url: str) -> None:
    """Make the tables of every part in a database with two versions of settings, and fill them."""
    engine = make_engine(url)
    logbook.schema.upgrade(engine)
    analysis.schema.upgrade(engine)
    _configuration(engine)
    _runs(engine)
    _downtimes(engine)
    _analysis(engine)
    engine.dispose()


def _at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def _configuration(engine: Engine) -> None:
    tables = ConfigBase.metadata.tables
    with engine.begin() as connection:
        push = {
            "id": 1,
            "version_id": 2,
            "only": "",
            "state": "verified",
            "author": "expert",
            "message": "",
            "reason": "",
            "host": "here",
            "pid": 1,
            "process_started": 0.0,
            "started_at": _at(-90),
            "ended_at": None,
        }
        connection.execute(insert(tables["config_push"]), push)
        item = {
            "push_id": 1,
            "pv": f"{CHANNEL}:BIAS",
            "channel": "2.01",
            "parameter": "BIAS",
            "phase": 2,
            "readback_pv": f"{CHANNEL}:BIAS_RBV",
            "target": 56.5,
            "tolerance": 0.05,
            "before": None,
            "before_readback": None,
            "after": 56.5,
            "after_readback": 56.49,
            "status": "verified",
            "error": "",
            "written_at": _at(-89),
            "checked_at": _at(-88),
        }
        connection.execute(insert(tables["config_push_item"]), item)
        connection.execute(update(tables["config_push"]).values(ended_at=_at(-87)))


def _runs(engine: Engine) -> None:
    tables = LogbookBase.metadata.tables
    with engine.begin() as connection:
        for number in range(1, RUNS + 1):
            row = {
                "number": number,
                "request_key": f"key-{number}",
                "partition": "MAIN" if number % 2 else "LED",
                "type": "physics" if number % 3 else "iv",
                "state": "ended" if number < RUNS else "running",
                "opened_at": _at(10 * number),
                "started_at": _at(10 * number + 0.5) if number != 4 else None,
                "ended_at": _at(10 * number + 9) if number < RUNS else None,
                "opened_by": "daq",
                "ended_by": "daq" if number < RUNS else "",
                "end_reason": "",
                "events": number * 1000 if number != 7 else None,
                "config_version": 2 if number > 5 else None,
                "config_push": 1 if number > 5 else None,
                "config_hash": f"{2:064d}" if number > 5 else "",
                "software_version": "0.1.0",
                "facts": {"trigger": number, "beam": "on"},
                "summary": "done" if number < RUNS else "",
            }
            connection.execute(insert(tables["logbook_run"]), row)
            change = {
                "run": number,
                "before": "",
                "after": "init",
                "at": _at(10 * number),
                "source": "http",
                "who": "daq",
                "reason": "",
            }
            connection.execute(insert(tables["logbook_transition"]), change)
        for field, value in (("comment", "first"), ("comment", AWKWARD), ("quality", "good"), ("shifter", "Zoë")):
            row = {"run": 3, "field": field, "value": value, "at": _at(50), "who": "Zoë"}
            connection.execute(insert(tables["logbook_remark"]), row)
        for run in (1, 2, 3):
            for pv, unit, mean in ((f"{CHANNEL}:CURRENT_RBV", "uA", 0.1 * run), (f"{CHANNEL}:TEMP_RBV", "degC", None)):
                row = {
                    "run": run,
                    "pv": pv,
                    "unit": unit,
                    "samples": 10 * run,
                    "mean": mean,
                    "minimum": mean,
                    "maximum": mean,
                    "rms": None if mean is None else 0.01,
                    "alarm_s": 0.0,
                    "invalid_s": 540.0 if mean is None else 0.0,
                }
                connection.execute(insert(tables["logbook_slow_control"]), row)


def _downtimes(engine: Engine) -> None:
    tables = LogbookBase.metadata.tables
    with engine.begin() as connection:
        for number in range(1, 6):
            row = {
                "id": number,
                "request_key": f"down-{number}",
                "detector": "VETO" if number % 2 else "LED",
                "run": number if number != 2 else None,
                "subrun": None,
                "started_at": _at(10 * number + 9),
                "ended_at": _at(10 * number + 9 + number) if number < 5 else None,
                "category": "UNDECIDED" if number == 5 else "HV",
                "description": AWKWARD if number == 3 else "",
                "user_name": "shifter",
                "source": "automatic",
                "created_at": _at(10 * number + 9),
                "revision": 1,
            }
            connection.execute(insert(tables["logbook_downtime"]), row)
        edit = {
            "downtime": 3,
            "revision": 2,
            "at": _at(60),
            "who": "shifter",
            "field": "category",
            "before": "UNDECIDED",
            "after": "HV",
        }
        connection.execute(insert(tables["logbook_downtime_edit"]), edit)


def _analysis(engine: Engine) -> None:
    """Two raw results: the first was analysed again, of the second only the first attempt came to an end."""
    tables = AnalysisBase.metadata.tables
    with engine.begin() as connection:
        for number in (1, 2):
            raw = {
                "id": number,
                "key": f"raw-{number}",
                "run": 3,
                "channel": CHANNEL,
                "kind": "iv",
                "taken_at": _at(35),
                "path": f"iv/{number}.npz",
                "size": 1234,
                "sha256": f"{number:064d}",
                "conditions": {"temperature_C": 25.0},
            }
            connection.execute(insert(tables["analysis_raw"]), raw)
        for number, raw_id, state in ((1, 1, "done"), (2, 2, "done"), (3, 1, "done"), (4, 2, "failed")):
            job = {
                "id": number,
                "raw": raw_id,
                "state": state,
                "attempts": 1,
                "owner": "worker",
                "queued_at": _at(34 + number),
                "started_at": _at(35 + number),
                "ended_at": _at(36 + number),
                "error": "" if state == "done" else "no file",
            }
            connection.execute(insert(tables["analysis_job"]), job)
        for number, value in ((1, 51.5), (2, None), (3, VBR)):
            reco = {
                "id": number,
                "job": number,
                "run": 3,
                "channel": CHANNEL,
                "kind": "iv",
                "quantity": "vbr",
                "method": "ild",
                "value": value,
                "uncertainty": None if value is None else 0.02,
                "unit": "V",
                "reason": "no breakdown between 10 V and 40 V" if value is None else "",
                "quality": {} if value is None else {"chi2": 1.5},
                "code": f"0.{number}.0",
                "analysed_at": _at(37 + number),
            }
            connection.execute(insert(tables["analysis_reco"]), reco)
        macro = {
            "run": 3,
            "kind": "iv",
            "quantity": "vbr",
            "method": "ild",
            "unit": "V",
            "channels": 1,
            "failed": 1,
            "mean": VBR,
            "std": None,
            "minimum": VBR,
            "maximum": VBR,
            "code": "0.1.0",
            "updated_at": _at(40),
        }
        connection.execute(insert(tables["analysis_macro"]), macro)
