"""What somebody asks the scanner to do, as JSON in the PV ``SCAN:REQUEST``.

{"id": "7f3a", "who": "alice@daq1", "channels": ["PADME:PVETO:HV13:*"], "start": "VBR-2", "stop": "VBR+4", "step_V": 0.2}
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, ValidationError, field_validator

from analysis.scan.level import Level, parse_level
from sipmdcs.errors import BadInput
from sipmdcs.yamlfile import Strict

MAX_POINTS = 1000
MIN_STEP_V = 0.02
"""Finer steps are not told apart from what devices round."""


class ScanRequest(Strict):
    """One IV scan."""

    id: Annotated[str, Field(max_length=64)] = ""
    """By which the client recognises the answer in ``SCAN:REPLY``."""
    who: Annotated[str, Field(min_length=1, max_length=200)]
    channels: Annotated[tuple[Annotated[str, Field(min_length=1, max_length=200)], ...], Field(min_length=1, max_length=4096)]
    """PV prefixes or patterns of them."""
    start: str = "VBR-2"
    stop: str = "VBR+4"
    step_V: Annotated[float, Field(ge=MIN_STEP_V, le=10, allow_inf_nan=False)] = 0.1
    settle_s: Annotated[float, Field(ge=0, le=60, allow_inf_nan=False)] = 0.2
    """Wait after a channel has arrived at a point."""
    samples: Annotated[int, Field(ge=1, le=100)] = 3
    """Fresh readings averaged at each point."""
    max_current_uA: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """A channel that reaches it ends its curve; left out, 80 % of its ``CURRENT_LIMIT``."""
    poll_s: Annotated[float, Field(ge=0.1, le=60, allow_inf_nan=False)] | None = None
    """Poll period of the controllers during the scan; left out, it stays as it is."""
    skip_bad: bool = False
    """Leave out channels that cannot be scanned, instead of refusing."""

    @field_validator("start", "stop")
    @classmethod
    def _is_level(cls, text: str) -> str:
        try:
            parse_level(text)
        except BadInput as err:
            raise ValueError(str(err)) from err
        return text

    @property
    def from_level(self) -> Level:
        """Where the curve begins."""
        return parse_level(self.start)

    @property
    def to_level(self) -> Level:
        """Where it ends."""
        return parse_level(self.stop)


def parse_request(text: str) -> ScanRequest:
    """Read a request.

    Raises:
        BadInput: it is not JSON, or a key is missing, unknown or wrong; the first problem only.
    """
    try:
        return ScanRequest.model_validate_json(text)
    except ValidationError as err:
        problem = err.errors(include_url=False)[0]
        key = ".".join(map(str, problem["loc"]))
        raise BadInput(str(problem["msg"]).removeprefix("Value error, "), key=key or "request") from err
