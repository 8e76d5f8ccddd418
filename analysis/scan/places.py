"""Which channels a site has, and which of them somebody means."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sipmdcs.errors import BadInput
from sipmdcs.patterns import fits
from sipmdcs.pvinfo import device_address
from sipmdcs.site import Site

_SETPOINT = ":BIAS"


@dataclass(frozen=True, slots=True)
class Place:
    """A channel and the controller it hangs on, as PV prefixes."""

    channel: str
    controller: str

    def pv(self, name: str) -> str:
        """A PV of the channel."""
        return f"{self.channel}:{name}"


def places(site: Site) -> tuple[Place, ...]:
    """All channels of a site, in the order of its rendered files.

    Raises:
        BadInput: nothing is rendered yet, or a file is wrong.
    """
    found: list[Place] = []
    for ioc in site.file.iocs:
        for record in site.ioc_records(ioc):
            address = device_address(record) if record.name.endswith(_SETPOINT) else None
            if address is not None and address.port in site.file.controllers:
                found.append(Place(record.name.removesuffix(_SETPOINT), site.controller_prefix(address.port)))
    return tuple(found)


def select(patterns: Sequence[str], known: Iterable[Place]) -> tuple[Place, ...]:
    """The channels that patterns mean, each once, in the order of ``known``.

    Raises:
        BadInput: a pattern means none.
    """
    everything = tuple(known)
    chosen: set[Place] = set()
    for pattern in patterns:
        wanted = pattern.removesuffix(":*")
        fitting = [place for place in everything if fits(place.channel, pattern) or fits(place.channel, wanted)]
        fitting += [place for place in everything if fits(place.controller, wanted)]
        if not fitting:
            raise BadInput(
                f"no channel of this site is {pattern}, the first one is {everything[0].channel}"
                if everything
                else "this site has no channels"
            )
        chosen.update(fitting)
    return tuple(place for place in everything if place in chosen)
