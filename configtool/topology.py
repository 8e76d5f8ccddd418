"""Topology in SQL: what hangs where, now and before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, insert, select, update
from sqlalchemy.orm import Session

from configtool.layers import ChannelId
from configtool.tables import Channel, Controller, Hop, Sensor, SensorLink

CHANNEL_TABLE = "channels"
"""Source of the hops that the channel table itself gives."""


@dataclass(frozen=True, slots=True)
class TopologyChange:
    """How many links an import ended and began."""

    closed: int = 0
    opened: int = 0

    def __add__(self, other: TopologyChange) -> TopologyChange:
        return TopologyChange(self.closed + other.closed, self.opened + other.opened)

    def __bool__(self) -> bool:
        return bool(self.closed or self.opened)


def next_instant(session: Session, now: datetime) -> datetime:
    """``now``, or just after the newest link if the clock was set back: intervals never run backwards."""
    newest = [session.scalar(select(func.max(column))) for column in (SensorLink.valid_from, Hop.valid_from)]
    return max([now, *(when + timedelta(microseconds=1) for when in newest if when is not None)])


def sensors_now(session: Session) -> dict[ChannelId, str]:
    """Serial number of the SiPM on each channel, as of now."""
    query = (
        select(Controller.name, Channel.number, Sensor.serial)
        .join(Channel, Channel.controller_id == Controller.id)
        .join(SensorLink, SensorLink.channel_id == Channel.id)
        .join(Sensor, Sensor.id == SensorLink.sensor_id)
        .where(SensorLink.valid_to.is_(None))
    )
    return {ChannelId(controller, number): serial for controller, number, serial in session.execute(query)}


def hops_at(session: Session, channel: ChannelId, when: datetime | None = None) -> dict[str, str]:
    """The way of one channel by kind of hop, at a time or now."""
    query = (
        select(Hop.kind, Hop.label)
        .join(Channel, Channel.id == Hop.channel_id)
        .join(Controller, Controller.id == Channel.controller_id)
        .where(Controller.name == channel.controller, Channel.number == channel.number)
    )
    if when is None:
        query = query.where(Hop.valid_to.is_(None))
    else:
        query = query.where(Hop.valid_from <= when, (Hop.valid_to.is_(None)) | (Hop.valid_to > when))
    return dict(session.execute(query).all())


def add_channels(session: Session, wanted: set[ChannelId]) -> dict[ChannelId, int]:
    """Row ids of channels, made where they are new."""
    controllers = {row.name: row.id for row in session.scalars(select(Controller))}
    if new := sorted({channel.controller for channel in wanted} - controllers.keys()):
        session.execute(insert(Controller), [{"name": name} for name in new])
        controllers = {row.name: row.id for row in session.scalars(select(Controller))}
    known = _channel_ids(session)
    if fresh := sorted(wanted - known.keys()):
        rows = [{"controller_id": controllers[channel.controller], "number": channel.number} for channel in fresh]
        session.execute(insert(Channel), rows)
        known = _channel_ids(session)
    return known


def _channel_ids(session: Session) -> dict[ChannelId, int]:
    query = select(Controller.name, Channel.number, Channel.id).join(Channel, Channel.controller_id == Controller.id)
    return {ChannelId(controller, number): row for controller, number, row in session.execute(query)}


def link_sensors(
    session: Session, ids: Mapping[ChannelId, int], serials: Mapping[ChannelId, str], when: datetime, *, complete: bool
) -> TopologyChange:
    """Make ``serials`` what hangs on the channels from ``when`` on.

    A channel that is not named keeps its SiPM, unless that hangs elsewhere now or ``serials`` is ``complete``.
    """
    before = sensors_now(session)
    moved = set(serials.values())
    ended = [
        ids[channel]
        for channel, serial in before.items()
        if serials.get(channel) != serial and (complete or channel in serials or serial in moved)
    ]
    begun = {channel: serial for channel, serial in serials.items() if before.get(channel) != serial}
    if ended:
        query = update(SensorLink).where(SensorLink.valid_to.is_(None), SensorLink.channel_id.in_(ended))
        session.execute(query.values(valid_to=when))
    known = {row.serial: row.id for row in session.scalars(select(Sensor))}
    if new := sorted(set(begun.values()) - known.keys()):
        session.execute(insert(Sensor), [{"serial": serial} for serial in new])
        known = {row.serial: row.id for row in session.scalars(select(Sensor))}
    rows = [{"channel_id": ids[channel], "sensor_id": known[serial], "valid_from": when} for channel, serial in begun.items()]
    if rows:
        session.execute(insert(SensorLink), rows)
    return TopologyChange(len(ended), len(begun))


def link_hops(
    session: Session,
    ids: Mapping[ChannelId, int],
    source: str,
    hops: Mapping[ChannelId, Mapping[str, str]],
    when: datetime,
    *,
    complete: bool,
) -> TopologyChange:
    """Make ``hops`` the way of these channels from ``when`` on; if ``complete``, end what ``source`` said of other channels."""
    named = {ids[channel] for channel in hops}
    wanted = {(ids[channel], kind): label for channel, kinds in hops.items() for kind, label in kinds.items()}
    open_now = {(row.channel_id, row.kind): row for row in session.scalars(select(Hop).where(Hop.valid_to.is_(None)))}
    ended = [
        row.id
        for key, row in open_now.items()
        if (row.source == source and key not in wanted and (complete or row.channel_id in named))
        or (key in wanted and (row.source, row.label) != (source, wanted[key]))
    ]
    if ended:
        session.execute(update(Hop).where(Hop.id.in_(ended)).values(valid_to=when))
    gone = set(ended)
    rows = [
        {"channel_id": channel, "source": source, "kind": kind, "label": label, "valid_from": when}
        for (channel, kind), label in wanted.items()
        if (channel, kind) not in open_now or open_now[channel, kind].id in gone
    ]
    if rows:
        session.execute(insert(Hop), rows)
    return TopologyChange(len(ended), len(rows))
