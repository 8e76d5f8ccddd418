"""What may be done to the downtimes, as values that can wait in a file until the database is there."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from logbook.downtime.record import Record, Source
from sipmdcs.errors import BadInput


@dataclass(frozen=True, slots=True)
class Opening:
    """A new record."""

    request_key: str
    """The same key again is the same request again."""
    detector: str
    run: int | None
    subrun: int | None
    started_at: datetime
    ended_at: datetime | None
    category: str
    description: str
    user: str
    source: Source
    received_at: datetime
    partitions: tuple[str, ...] = ()
    """Of the detector: which run it was is looked up in the run table, if ``run`` is None and the source automatic."""
    kind: Literal["opening"] = "opening"

    def record(self) -> Record:
        """As it will be once the database has it."""
        return Record(
            id=None,
            request_key=self.request_key,
            detector=self.detector,
            run=self.run,
            subrun=self.subrun,
            started_at=self.started_at,
            ended_at=self.ended_at,
            category=self.category,
            description=self.description,
            user=self.user,
            source=self.source,
            created_at=self.received_at,
        )


@dataclass(frozen=True, slots=True)
class Ending:
    """The end of the open record of a detector."""

    detector: str
    ended_at: datetime
    received_at: datetime
    kind: Literal["ending"] = "ending"


@dataclass(frozen=True, slots=True)
class Edit:
    """Fields of one record, changed by somebody who saw one revision of it."""

    request_key: str
    """Of the record."""
    revision: int
    """The one that was seen."""
    who: str
    at: datetime
    changes: dict[str, str] = field(default_factory=dict)
    """New values by name of the field, as ``record.text_of`` writes them."""
    kind: Literal["edit"] = "edit"


Operation = Annotated[Opening | Ending | Edit, Field(discriminator="kind")]
_adapter: TypeAdapter[Opening | Ending | Edit] = TypeAdapter(Operation)


def to_content(operation: Opening | Ending | Edit) -> dict[str, Any]:
    """As JSON can hold it."""
    return _adapter.dump_python(operation, mode="json")


def from_content(content: Any) -> Opening | Ending | Edit:
    """The inverse of ``to_content``.

    Raises:
        BadInput: it is not one.
    """
    try:
        return _adapter.validate_python(content)
    except ValidationError as err:
        problem = err.errors()[0]
        raise BadInput(f"not something that can be done: {'.'.join(map(str, problem['loc']))}: {problem['msg']}") from err
