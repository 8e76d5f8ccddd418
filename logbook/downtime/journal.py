"""Everything that is to be stored goes through here: to the disk first, then, in order, to the database.

So nothing is lost if the process is killed or the database is away, and a stop that waits goes before the start that follows,
whichever process stores them.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from logbook.downtime.logfile import LogFile
from logbook.downtime.operation import Edit, Ending, Opening, from_content, to_content
from logbook.downtime.patience import within
from logbook.downtime.store import Done, Outcome, Store
from sipmdcs.errors import BadInput, ServiceError
from sipmdcs.spool import Entry, Spool

_LOOK_AGAIN_S = 0.05


@dataclass(frozen=True, slots=True)
class Waiting:
    """It is kept on the disk and will be stored; why it is not yet."""

    reason: str


class Journal:
    """The way from an operation to the tables. Any number of processes may use one at the same time."""

    def __init__(self, spool: Spool, store: Store, log: LogFile, patience_s: float) -> None:
        self.spool = spool
        self.store = store
        self._log = log
        self._patience_s = patience_s

    def submit(self, operation: Opening | Ending | Edit) -> Outcome | Waiting:
        """Have it stored, after all that waits already.

        Raises:
            BadInput: it cannot be done to what is there; nothing of it was kept.
            ServiceError: neither disk nor database take it.
        """
        try:
            key = self.spool.put(to_content(operation))
        except ServiceError as err:
            self._log.failure("spool-failed", error=str(err))
            return within(self._patience_s, lambda: self._store(operation, "-"), "the database")
        self._log.info("kept", key=key, kind=operation.kind)
        taken: dict[str, Outcome | BadInput] = {}
        try:
            within(self._patience_s, lambda: self._store_until(key, taken), "the database")
        except ServiceError as err:
            if key not in taken:
                self._log.failure("waits", key=key, waiting=len(self.spool), error=str(err))
                return Waiting(str(err))
        answer = taken[key] if key in taken else self._what_became(key, operation)
        if isinstance(answer, BadInput):
            raise answer
        return answer

    def flush(self) -> int:
        """Store what waits; returns how many were.

        Raises:
            ServiceError: the database fails, or another process is at it.
        """

        def work() -> int:
            count = self._drain("", {})
            if waiting := len(self.spool):
                raise ServiceError(f"{waiting} entries wait: another process is storing them")
            return count

        return within(self._patience_s, work, "the database")

    def _store_until(self, key: str, taken: dict[str, Outcome | BadInput]) -> None:
        """Store what waits until that of ``key`` is done, by whomever."""
        path = self.spool.folder / f"{key}.json"
        deadline = time.monotonic() + self._patience_s
        while True:
            self._drain(key, taken)
            if key in taken or not path.exists():
                return
            if time.monotonic() > deadline:
                raise ServiceError("another process is storing what waits, and does not end")
            time.sleep(_LOOK_AGAIN_S)

    def _drain(self, mine: str, taken: dict[str, Outcome | BadInput]) -> int:
        def take(entry: Entry) -> None:
            try:
                taken[entry.key] = self._store(from_content(entry.content), entry.key)
            except BadInput as err:
                self._log.failure("refused", key=entry.key, error=str(err))
                if entry.key != mine:
                    raise  # its caller is gone: set aside
                taken[entry.key] = err

        return self.spool.drain(take)

    def _store(self, operation: Opening | Ending | Edit, key: str) -> Outcome:
        try:
            outcome = self.store.apply(operation)
        except ServiceError as err:
            self._log.failure("database-failed", key=key, kind=operation.kind, error=str(err))
            raise
        record = outcome.record
        facts = {name: getattr(record, name) for name in ("detector", "run", "subrun", "category", "user")}
        self._log.info(
            "unchanged" if outcome.done == Done.REPEATED else "stored",
            key=key,
            done=outcome.done.value,
            event=record.id,
            revision=record.revision,
            started=record.started_at,
            ended=record.ended_at,
            description=record.description,
            **facts,
        )
        return outcome

    def _what_became(self, key: str, operation: Opening | Ending | Edit) -> Outcome | BadInput:
        """Of an entry that another process took."""
        reason = self.spool.refused / f"{key}.reason"
        if reason.is_file():
            return BadInput(reason.read_text("utf-8").strip())

        def look() -> Outcome:
            # Doing it again changes nothing and says how it stands.
            return self.store.apply(operation)

        return within(self._patience_s, look, "the database")


def entries_refused(spool: Spool) -> int:
    """How many entries wait in vain, because what they ask for cannot be done."""
    return sum(1 for _ in spool.refused.glob("*.json"))
