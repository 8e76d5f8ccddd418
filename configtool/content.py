"""Everything the database says about one version, loaded at once, so that no transaction stays open while PVs are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy.orm import Session

from configtool.layers import ChannelId
from configtool.parameters import Parameter
from configtool.resolution import Installed, Values, resolve
from configtool.schema import read_parameters
from configtool.settings import Settings
from configtool.topology import sensors_now
from configtool.versions import VersionInfo, find_version, head, load_settings


@dataclass(frozen=True, slots=True)
class Content:
    """A version, resolved for a site, with the sensors that hang there now."""

    version: VersionInfo | None
    """``None`` before the first import: there are no settings, and every controller has the defaults of its templates."""
    settings: Settings
    values: Mapping[ChannelId, Values]
    sensors: Mapping[ChannelId, str]
    parameters: Mapping[str, Parameter]


def load_content(session: Session, installed: Mapping[str, Installed], name: str) -> Content:
    """The version called ``name``: a number, ``head`` or the start of a hash.

    Raises:
        BadInput: there is none.
    """
    version = find_version(session, name)
    settings = load_settings(session, version.number)
    parameters = read_parameters(session.connection())
    return Content(version, settings, resolve(settings, installed), sensors_now(session), parameters)


def load_head(session: Session, installed: Mapping[str, Installed]) -> Content:
    """The newest version, or empty content before the first."""
    newest = head(session)
    if newest is None:
        return Content(None, Settings(), {}, {}, read_parameters(session.connection()))
    return load_content(session, installed, str(newest.number))
