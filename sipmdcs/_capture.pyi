"""Types of the C extension ``_capture.c``."""

from typing import final

from typing_extensions import Buffer

INTERFACE: int

@final
class Block(Buffer): ...

@final
class Ring:
    def __new__(
        cls, pv_count: int, capacity: int, payload_bytes: int, mask: int, enum_mask: int = 0, metadata: bool = False
    ) -> Ring: ...
    def drain(self) -> tuple[Block, Block, Block, int]: ...
    def wait(self, timeout: float, /) -> bool: ...
    def connected(self) -> bytes: ...
    def open(self, names: tuple[str, ...], circuit: int, /) -> tuple[int, int]: ...
    def channel(self, index: int, /) -> int: ...
    def close(self) -> None: ...

def bind(
    ca_puser: int,
    ca_field_type: int,
    ca_element_count: int,
    ca_create_subscription: int,
    ca_clear_subscription: int,
    ca_array_get_callback: int,
    ca_write_access: int,
    ca_create_channel: int,
    ca_clear_channel: int,
    /,
) -> tuple[int, int]: ...
