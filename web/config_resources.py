"""Configuration versions and pushes."""

from __future__ import annotations

from sqlalchemy import Table, func, select

from configtool.tables import Base
from web.columns import elapsed, flag, moment, number, text, whole
from web.resource import Relation, Resource


def _table(name: str) -> Table:
    return Base.metadata.tables[f"config_{name}"]


_version, _setting, _push, _item = _table("version").c, _table("setting").c, _table("push").c, _table("push_item").c

_settings = select(func.count()).where(_setting.version_id == _version.id).correlate(_table("version")).scalar_subquery()
_parameter = _table("parameter").c
_unit = select(_parameter.unit).where(_parameter.name == _item.parameter).correlate(_table("push_item")).scalar_subquery()
_items = select(func.count()).where(_item.push_id == _push.id).correlate(_table("push")).scalar_subquery()

CONFIG_VERSIONS = Resource(
    "configversions",
    "Complete sets of settings; a version is never changed.",
    ("version_number",),
    (
        whole("version_number", "Version", "Number of the version", _version.id),
        whole("parent_number", "Parent", "Version it was made from", _version.parent_id),
        text("content_hash", "Hash", "SHA-256 of its settings", _version.content_hash),
        text("author", "Author", "Who made it", _version.author),
        moment("created_at", "Created", "When it was made", _version.created_at),
        text("message", "Message", "Why", _version.message),
        flag("frozen", "Frozen", "Whether it is complete", _version.frozen),
        whole("settings", "Settings", "Entries in all layers", _settings),
    ),
    (
        Relation("parent", "configversions", "parent_number", "version_number", many=False),
        Relation("children", "configversions", "version_number", "parent_number"),
        Relation("pushes", "pushes", "version_number", "version_number"),
        Relation("runs", "runs", "version_number", "config_version"),
    ),
    _table("version"),
    ("config_version", "config_setting"),
)

PUSHES = Resource(
    "pushes",
    "Attempts to bring the detector to a version.",
    ("push_number",),
    (
        whole("push_number", "Push", "Number of the push", _push.id),
        whole("version_number", "Version", "Version that was pushed", _push.version_id),
        text("only", "Only", "Patterns of a partial push; empty for a full one", _push.only),
        text("state", "State", "How it stands or ended", _push.state),
        text("author", "Author", "Who pushed", _push.author),
        text("message", "Message", "Why it was pushed", _push.message),
        text("reason", "Reason", "Why it ended as it did", _push.reason),
        moment("started_at", "Started", "When it began", _push.started_at),
        moment("ended_at", "Ended", "When it ended; null while it goes on", _push.ended_at),
        elapsed("duration", "Duration", "From start to end; of one under way to now", _push.started_at, _push.ended_at),
        whole("items", "Items", "Values it sets", _items),
    ),
    (
        Relation("configversion", "configversions", "version_number", "version_number", many=False),
        Relation("pushitems", "pushitems", "push_number", "push_number"),
        Relation("runs", "runs", "push_number", "config_push"),
    ),
    _table("push"),
    ("config_push", "config_push_item"),
)

PUSH_ITEMS = Resource(
    "pushitems",
    "Values of pushes, each with what was found before and after.",
    ("push_number", "pv"),
    (
        whole("push_number", "Push", "Number of the push", _item.push_id),
        text("pv", "PV", "Setpoint", _item.pv),
        text("channel_label", "Channel", "Controller and channel as in the channel table, such as 17.03", _item.channel),
        text("parameter", "Parameter", "Name of the setting", _item.parameter),
        whole("phase", "Phase", "Phase of the push in which it is written", _item.phase),
        text("readback_pv", "Readback", "PV that has to agree", _item.readback_pv),
        number("target", "Target", "What it should be", _item.target, unit_from="unit"),
        number("tolerance", "Tolerance", "How far off the readback may be", _item.tolerance, unit_from="unit"),
        number("before", "Before", "Setpoint found", _item.before, unit_from="unit"),
        number("before_readback", "Readback before", "Readback found", _item.before_readback, unit_from="unit"),
        number("after", "After", "Setpoint last read", _item.after, unit_from="unit"),
        number("after_readback", "Readback after", "Readback last read", _item.after_readback, unit_from="unit"),
        text("unit", "Unit", "Unit of the values", _unit),
        text("status", "Status", "How it stands or ended", _item.status),
        text("error", "Error", "What went wrong", _item.error),
        moment("written_at", "Written", "When it was written", _item.written_at),
        moment("checked_at", "Checked", "When it was last read back", _item.checked_at),
    ),
    (
        Relation("push", "pushes", "push_number", "push_number", many=False),
        Relation("channel", "channels", "channel_label", "label", many=False),
    ),
    _table("push_item"),
    ("config_push_item", "config_parameter"),
)

CONFIGURATION = (CONFIG_VERSIONS, PUSHES, PUSH_ITEMS)
