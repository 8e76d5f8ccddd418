"""The alarm handler on a real database under a manual clock, without network."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from alarms.engine import Alarms
from alarms.handler import Handler
from alarms.level import Level
from alarms.notifyfile import NotifyFile
from alarms.outbox import Outbox
from alarms.paging import Paging
from alarms.published import Published
from alarms.state import AlarmState
from alarms.state_records import AT_START
from alarms.store import Store
from alarms.tree import Tree
from sipmdcs.clock import ManualClock
from sipmdcs.publisher import Value

NOTIFY = {
    "channels": {"mail": {"host": "localhost", "from": "a@b.c"}},
    "receivers": {"shift": {"channel": "mail", "address": "s@b.c"}, "expert": {"channel": "mail", "address": "e@b.c"}},
    "routes": {
        "shift": {"receivers": ["shift"]},
        "expert": {"receivers": ["expert"], "delay_s": 600, "repeat_s": 3600},
    },
}


class Board:
    """Stands in for the Channel Access server: remembers what is posted."""

    def __init__(self) -> None:
        self.values: dict[str, Value] = {}
        self.posts: list[dict[str, Value]] = []

    def post(self, values: Mapping[str, Value], **_: Any) -> None:
        self.posts.append(dict(values))
        self.values |= values


class Shop:
    """Opened on a folder; opening another one on it is a restart."""

    def __init__(self, folder: Path, tree: Tree, clock: ManualClock, notify: Mapping[str, Any] | None = None) -> None:
        self.clock = clock
        self.tree = tree
        self.board = Board()
        self.store = Store(folder / "alarms.sqlite", clock)
        file = NotifyFile.model_validate(NOTIFY if notify is None else notify)
        published = Published("DET", tree, banner_rows=3)
        self.board.values |= dict.fromkeys(published.state_records(Path("never read")), AT_START)
        paging = Paging(file, tree, *self.store.incidents())
        alarms = Alarms(tree, clock, self.store.states(tree))
        self.handler = Handler(alarms, paging, self.store, published, self.board, clock)  # type: ignore[arg-type]
        self.outbox = Outbox(self.store.database, clock, "test")

    async def report(self, pv: str, level: str, message: str = "") -> None:
        state = AlarmState(Level[level], message or level, level.lower(), self.clock.time_ns())
        await self.expire()
        await self.handler.apply(lambda draft: draft.update(pv, state))

    async def expire(self) -> None:
        await self.handler.apply(lambda draft: draft.expire(self.handler.alarms.due()))

    def level(self, pv: str) -> str:
        return self.handler.alarms.states[pv].alarm.level.name

    def queued(self, receiver: str) -> list[tuple[str, str]]:
        return [(item.notice.kind.value, item.notice.pv) for item in self.outbox.waiting(receiver)]
