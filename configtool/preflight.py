"""Whether a push may start: every PV must answer, take numbers, be writable and allow its value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from configtool.reading import reading
from configtool.targets import Target
from sipmdcs.channels import PvMetadata, PvType, PvValue
from sipmdcs.errors import ChannelError

_NUMERIC = frozenset({PvType.DOUBLE, PvType.FLOAT, PvType.LONG, PvType.SHORT, PvType.CHAR, PvType.ENUM})


def refusals(
    targets: Sequence[Target],
    answers: Mapping[str, PvValue | ChannelError],
    metadata: Mapping[str, PvMetadata | ChannelError],
) -> list[str]:
    """Every reason not to start, one line each; empty if there is none.

    Args:
        targets: what is to be written.
        answers: current values of setpoints and readbacks.
        metadata: of the setpoints.
    """
    return [reason for target in targets for reason in _refusals(target, answers, metadata[target.pv])]


def _refusals(target: Target, answers: Mapping[str, PvValue | ChannelError], about: PvMetadata | ChannelError) -> list[str]:
    errors = [answer for answer in (answers[pv] for pv in target.pvs) if isinstance(answer, ChannelError)]
    if isinstance(about, ChannelError) and not errors:
        errors = [about]
    if errors:
        return [str(error) for error in errors]
    if isinstance(about, ChannelError):
        return []
    reasons: list[str] = []
    if about.type not in _NUMERIC or about.count != 1:
        reasons.append(f"{target.pv}: is {about.type.name} x {about.count}, expected one number")
    elif fault := reading(target, answers).fault:
        reasons.append(f"{fault}: what it holds could neither be verified nor restored")
    if not about.writable:
        reasons.append(f"{target.pv}: may not be written from here")
    low, high = about.control
    # EPICS takes DRVL = DRVH for no limits.
    limited = low < high
    for who, smallest, largest in (
        ("the settings", target.minimum, target.maximum),
        *([("the PV", low, high)] if limited else []),
    ):
        if not smallest <= target.value <= largest:
            limits = f"{smallest:g} to {largest:g} {target.unit}"
            reasons.append(f"{target.pv}: {target.value:.10g} {target.unit} is outside {limits}, the limits of {who}")
    return reasons
