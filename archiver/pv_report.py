"""What the Archiver Appliance tells about a PV, nearly all of it as text."""

from __future__ import annotations

from datetime import UTC, datetime

from archiver.catalogue import ArchivedPv
from archiver.recorder import PvActivity
from sipmdcs.channels import PvType
from sipmdcs.clock import NS

_TYPE_NAMES = {
    PvType.STRING: "STRING",
    PvType.SHORT: "SHORT",
    PvType.FLOAT: "FLOAT",
    PvType.ENUM: "ENUM",
    PvType.CHAR: "BYTE",
    PvType.LONG: "INT",
    PvType.DOUBLE: "DOUBLE",
}
_LIMITS = {
    "lowerDisplayLimit": "LOPR",
    "upperDisplayLimit": "HOPR",
    "lowerCtrlLimit": "DRVL",
    "upperCtrlLimit": "DRVH",
    "lowerWarningLimit": "LOW",
    "upperWarningLimit": "HIGH",
    "lowerAlarmLimit": "LOLO",
    "upperAlarmLimit": "HIHI",
}
APPLIANCE = "sipmdcs"


def type_name(pv: ArchivedPv) -> str:
    """``DBR_SCALAR_DOUBLE`` and the like; empty for a PV that never connected."""
    if pv.type is None:
        return ""
    return f"DBR_{'SCALAR' if pv.type.count == 1 else 'WAVEFORM'}_{_TYPE_NAMES[pv.type.type]}"


def not_archived(name: str) -> dict[str, str]:
    """Status of a PV that nobody asked for."""
    return {"pvName": name, "status": "Not being archived"}


def status(pv: ArchivedPv, activity: PvActivity | None) -> dict[str, str]:
    """As ``getPVStatus`` gives it."""
    state = "Paused" if not pv.active else "Initial sampling" if pv.type is None else "Being archived"
    found = {
        "pvName": pv.name,
        "pvNameOnly": pv.name,
        "status": state,
        "appliance": APPLIANCE,
        "isMonitored": str(pv.policy.method == "monitor").lower(),
        "samplingPeriod": repr(pv.policy.period_s),
    }
    if activity is None:
        return found | {"connectionState": "false"}
    return found | {
        "connectionState": str(activity.connected).lower(),
        "lastEvent": _when(activity.last_received_ns),
        "connectionFirstEstablished": _when(activity.first_connected_ns),
        "connectionLastRestablished": _when(activity.last_connected_ns),
        "connectionLossRegainCount": str(activity.losses),
    }


def type_info(pv: ArchivedPv, activity: PvActivity | None, up_s: float) -> dict[str, object]:
    """As ``getPVTypeInfo`` gives it."""
    rate = activity.events / up_s if activity is not None and up_s > 0 else 0.0
    limits = {key: pv.metadata.get(name, "0.0") for key, name in _LIMITS.items()}
    return {
        "pvName": pv.name,
        "DBRType": type_name(pv),
        "scalar": str(pv.type is None or pv.type.count == 1).lower(),
        "elementCount": str(1 if pv.type is None else pv.type.count),
        "applianceIdentity": APPLIANCE,
        "samplingMethod": pv.policy.method.upper(),
        "samplingPeriod": repr(pv.policy.period_s),
        "paused": str(not pv.active).lower(),
        "precision": pv.metadata.get("PREC", "0"),
        "units": pv.metadata.get("EGU", ""),
        "computedEventRate": f"{rate:.6g}",
        "creationTime": _iso(pv.created_ns),
        "modificationTime": _iso(pv.modified_ns),
        "usePVAccess": "false",
        "hasReducedDataSet": "false",
        "dataStores": [],
        "archiveFields": [],
        "extraFields": dict(pv.metadata),
        **limits,
    }


def _when(time_ns: int) -> str:
    if time_ns == 0:
        return "Never"
    return f"{datetime.fromtimestamp(time_ns // NS, UTC):%b/%d/%Y %H:%M:%S} +00:00"


def _iso(time_ns: int) -> str:
    return f"{datetime.fromtimestamp(time_ns // NS, UTC):%Y-%m-%dT%H:%M:%S}.{time_ns // 1_000_000 % 1000:03d}Z"
