"""What is said of a scan when it is over. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from analysis.scan.curve import Curve

_SHOWN = 3


def listing(reasons: Mapping[str, str]) -> str:
    """Names and reasons in one line, the first few."""
    shown = [f"{name} {reason}" for name, reason in list(reasons.items())[:_SHOWN]]
    more = f" and {len(reasons) - len(shown)} more" if len(reasons) > len(shown) else ""
    return "; ".join(shown) + more


def result(
    uid: str,
    outcome: str,
    reason: str,
    curves: Mapping[str, Curve],
    delivered: Collection[str],
    *,
    run: int | None,
    seconds: float,
    pending: Mapping[str, str],
) -> dict[str, Any]:
    """``SCAN:RESULT``, and the facts of the run."""
    return {
        "uid": uid,
        "outcome": outcome,
        "reason": reason,
        "run": run,
        "seconds": round(seconds, 1),
        "not_restored": dict(pending),
        "channels": {
            name: {"points": len(curve.points), "stopped": curve.stopped, "delivered": name in delivered}
            for name, curve in curves.items()
        },
    }


def summary(answer: Mapping[str, Any]) -> str:
    """One line for people."""
    channels: Mapping[str, Any] = answer["channels"]
    delivered = sum(row["delivered"] for row in channels.values())
    parts = [f"{answer['outcome']} after {answer['seconds']:.0f} s: {delivered} of {len(channels)} curves for the analysis"]
    if answer["reason"]:
        parts.append(str(answer["reason"]))
    early = {name: row["stopped"] for name, row in channels.items() if row["stopped"]}
    if early:
        parts.append(f"ended early: {listing(early)}")
    return "; ".join(parts)


def names(channels: Sequence[str]) -> str:
    """Channels in one line."""
    return " ".join(channels)
