"""The plan of an IV scan: all channels step together, each over its own range."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import bluesky.plan_stubs as bps
import bluesky.preprocessors as bpp
from bluesky.utils import MsgGenerator

from analysis.scan.branch import Branch
from analysis.scan.keeper import Keeper


def iv_scan(
    branches: Sequence[Branch],
    keeper: Keeper,
    *,
    settle_s: float = 0.2,
    on_point: Callable[[int], None] = lambda done: None,
    md: Mapping[str, Any] | None = None,
) -> MsgGenerator[None]:
    """Measure current against bias, and put the operating point back whatever happens.

    Each channel has a stream of its own, named after it, so that one that ends early leaves the others alone. A pause is
    resumed by measuring its point again.

    Args:
        branches: the channels, connected.
        keeper: puts back what the branches change; used at the end, after an abort and after a failure alike.
        settle_s: wait between arriving at a point and measuring.
        on_point: told how many points are done.
        md: goes into the start document.
    """

    def points() -> MsgGenerator[None]:
        longest = max(len(branch.course.grid) for branch in branches)
        for index in range(longest):
            if not any(branch.wants(index) for branch in branches):
                break
            yield from bps.checkpoint()
            yield from _point([branch for branch in branches if branch.wants(index)], index, settle_s)
            on_point(index + 1)

    def put_back() -> MsgGenerator[None]:
        yield from bps.checkpoint()
        yield from bps.abs_set(keeper, True, wait=True)

    return (yield from bpp.finalize_wrapper(bpp.run_wrapper(points(), md=dict(md or {})), put_back))


def _point(branches: Sequence[Branch], index: int, settle_s: float) -> MsgGenerator[None]:
    """One point of all channels."""
    for branch in branches:
        yield from bps.abs_set(branch, index, group="arrive")
    yield from bps.wait("arrive")
    yield from bps.sleep(settle_s)
    for branch in branches:
        if not branch.curve.stopped:
            yield from bps.trigger(branch, group="measure")
    yield from bps.wait("measure")
    for branch in branches:
        if index in branch.curve.points:
            yield from bps.create(name=branch.name)
            yield from bps.read(branch)
            yield from bps.save()
