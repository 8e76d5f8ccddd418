"""Channels, controllers and services: definitions of what is read live."""

from __future__ import annotations

from web.attribute import Attribute
from web.columns import flag, moment, number, text, whole
from web.resource import Relation, Resource

CHANNEL_VALUES: dict[str, str] = {
    "bias": "BIAS",
    "bias_readback": "BIAS_RBV",
    "voltage": "VMON_RBV",
    "current": "CURRENT_RBV",
    "temperature": "TEMP_RBV",
    "overvoltage": "OVERVOLTAGE_RBV",
    "vbr": "VBR",
    "gain": "GAIN",
    "dark_rate": "DARK_RATE",
    "crosstalk": "CROSSTALK",
    "enabled": "ENABLE_RBV",
    "tripped": "TRIP",
    "masked": "MASK",
    "state": "STATE",
}
"""PV of a channel behind an attribute."""

CHANNEL_MEASURED = ("bias_readback", "voltage", "current", "temperature", "overvoltage", "tripped", "state")
"""What the device reports: these decide severity and connection of a channel."""

CONTROLLER_VALUES: dict[str, str] = {
    "state": "STATE",
    "answers": "CONNECTED",
    "interlock": "INTERLOCK",
    "channels_on": "N_ON",
    "channels_tripped": "N_TRIPPED",
    "latency": "LATENCY",
    "poll_period": "POLL_PERIOD",
    "polls": "HEARTBEAT",
    "comm_errors": "COMM_ERRORS",
    "last_error": "LAST_ERROR",
    "model": "MODEL",
    "serial": "SERIAL",
    "firmware": "FIRMWARE",
}
"""PV of a controller behind an attribute."""

SERVICE_VALUES: dict[str, str] = {
    "uptime": "UPTIME",
    "version": "VERSION",
    "pid": "PID",
    "errors": "ERRORS",
    "error_rate": "ERROR_RATE",
    "last_error": "LAST_ERROR",
    "cpu": "CPU",
    "memory": "MEMORY",
}
"""PV of a service behind an attribute."""

HEARTBEAT = "HEARTBEAT"


def _age(whose: str) -> Attribute:
    return number("age", "Age", f"Time since {whose}; null if that never was", unit="s")


_SEVERITY = text("severity", "Severity", "Worst of what is measured: NO_ALARM, MINOR, MAJOR or INVALID")

CHANNELS = Resource(
    "channels",
    "Every bias output: what is set, measured and known of its SiPM, live. A value that is not known now is null; the note of "
    "each value says when it was taken, and what it last was.",
    ("name",),
    (
        text("name", "Channel", "Controller and channel, such as HV13:CH01"),
        whole("position", "Position", "Place in the order of the site file, from 0"),
        text("subsystem", "Subsystem", "Part of the detector"),
        text("controller_name", "Controller", "Name of its controller"),
        whole("number", "Number", "Channel of the controller, from 1"),
        text("label", "Label", "As in the channel table, such as 13.01"),
        text("pv_prefix", "PV prefix", "First part of the names of its PVs"),
        text("sensor", "SiPM", "Serial number of the SiPM that hangs on it"),
        number("bias", "Bias set", "Bias setpoint", unit="V"),
        number("bias_readback", "Bias", "Bias setpoint that the device holds", unit="V"),
        number("voltage", "Voltage", "Bias voltage measured by the device", unit="V"),
        number("current", "Current", "SiPM current", unit="uA"),
        number("temperature", "Temperature", "Temperature at the SiPM", unit="degC"),
        number("overvoltage", "Overvoltage", "Bias less breakdown voltage at this temperature", unit="V"),
        number("vbr", "Breakdown", "Breakdown voltage at its reference temperature", unit="V"),
        number("gain", "Gain", "Gain, from the analysis", unit="e"),
        number("dark_rate", "Dark rate", "Dark count rate, from the analysis", unit="kHz"),
        number("crosstalk", "Crosstalk", "Optical crosstalk, from the analysis", unit="%"),
        flag("enabled", "On", "Whether the device says it is on"),
        flag("tripped", "Tripped", "Whether it switched itself off"),
        flag("masked", "Masked", "Known to be bad: left out of sums and alarms"),
        text("state", "State", "State of the channel; DISCONNECTED if nobody tells"),
        _SEVERITY,
        flag("connected", "Connected", "Whether its IOC answers"),
        moment("measured_at", "Measured", "When the newest of its measured values changed"),
        _age("its controller was last polled"),
    ),
    (
        Relation("controller", "controllers", "controller_name", "name", many=False),
        Relation("alarms", "alarms", "pv_prefix", "channel_prefix"),
        Relation("reco", "reco", "pv_prefix", "channel_prefix"),
        Relation("raw", "raw", "pv_prefix", "channel_prefix"),
        Relation("pushitems", "pushitems", "label", "channel_label"),
        Relation("pvs", "pvs", "pv_prefix", "channel_prefix"),
    ),
)

CONTROLLERS = Resource(
    "controllers",
    "Every controller, live.",
    ("name",),
    (
        text("name", "Controller", "Name as in PV names, such as HV13"),
        whole("position", "Position", "Place in the order of the site file, from 0"),
        text("subsystem", "Subsystem", "Part of the detector"),
        text("driver", "Driver", "Kind of controller"),
        text("service_name", "IOC", "Process that runs it"),
        text("pv_prefix", "PV prefix", "First part of the names of its PVs"),
        whole("channel_count", "Channels", "Bias outputs"),
        text("state", "State", "Worst state of its channels; DISCONNECTED if nobody tells"),
        flag("answers", "Answers", "Whether the device answers its IOC"),
        flag("interlock", "Interlock", "Whether every channel is kept off"),
        whole("channels_on", "On", "Channels that are on"),
        whole("channels_tripped", "Tripped", "Channels that are tripped"),
        number("latency", "Latency", "Time of one poll", unit="ms"),
        number("poll_period", "Period", "Time between polls", unit="s"),
        whole("polls", "Polls", "Polls since its IOC started"),
        whole("comm_errors", "Errors", "Bad or missing replies since its IOC started"),
        text("last_error", "Last error", "Last bad or missing reply"),
        text("model", "Model", "Model that the device reports"),
        text("serial", "Serial", "Serial number that the device reports"),
        text("firmware", "Firmware", "Firmware that the device reports"),
        _SEVERITY,
        flag("connected", "Connected", "Whether its IOC answers"),
        _age("it was last polled"),
    ),
    (
        Relation("channels", "channels", "name", "controller_name"),
        Relation("service", "services", "service_name", "name", many=False),
    ),
)

SERVICES = Resource(
    "services",
    "Every process of the site, by its own PVs.",
    ("name",),
    (
        text("name", "Name", "As in site.yaml"),
        text("kind", "Kind", "ioc or service"),
        text("pv_prefix", "PV prefix", "First part of the names of its PVs"),
        text("state", "State", "RUNNING while its heartbeat goes on, else LOST"),
        number("uptime", "Uptime", "Time since it started", unit="s"),
        text("version", "Version", "Program version"),
        whole("pid", "Process", "Process number"),
        whole("errors", "Errors", "Errors logged since it started"),
        whole("error_rate", "Recent errors", "Errors logged in the last minute"),
        text("last_error", "Last error", "Newest error logged"),
        number("cpu", "CPU", "Processor use, of one core", unit="%"),
        number("memory", "Memory", "Resident memory", unit="MB"),
        _SEVERITY,
        flag("connected", "Connected", "Whether it answers over Channel Access"),
        _age("its last heartbeat"),
    ),
    (Relation("controllers", "controllers", "name", "service_name"),),
)
