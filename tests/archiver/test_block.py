import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver import payload
from archiver.block import (
    FILE_HEADER_SIZE,
    Block,
    Damage,
    NotALog,
    pack_block,
    pack_file_header,
    read_blocks,
    unpack_file_header,
)
from tests.archiver.making import payload_rows, sample_rows

PAYLOADS = ["", "HV on", "µA ✓", ["a", "", "ä"], np.array([1.5, np.nan]), np.arange(4, dtype=">i2"), np.zeros(0, np.uint8)]


def log_file(blocks: int) -> bytes:
    parts = [pack_file_header(7)]
    for number in range(blocks):
        made = (
            payload_rows([(3, number, f"text {number}")]) if number % 2 else sample_rows([(1, number, 1.5), (2, number, 2.5)])
        )
        first = number // 2
        parts += [bytes(part) for part in pack_block(made.rows, first, made.payloads, number)]
    return b"".join(parts)


def test_payloads_come_back_as_they_were():
    back = payload.decode(payload.encode(PAYLOADS))
    for before, after in zip(PAYLOADS, back, strict=True):
        np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("data", [b"utf", b"utf\0\5\0\0\0abc", b"???\0\0\0\0\0"])
def test_broken_payloads_are_refused(data):
    with pytest.raises(ValueError, match="payload"):
        payload.decode(data)


def test_blocks_come_back_as_they_were():
    blocks = [item for item in read_blocks(log_file(5)) if isinstance(item, Block)]
    assert [block.heard_ns for block in blocks] == [0, 1, 2, 3, 4]
    assert blocks[3].payloads == ["text 3"]
    assert blocks[3].first_payload == 1
    np.testing.assert_array_equal(blocks[2].rows, sample_rows([(1, 2, 1.5), (2, 2, 2.5)]).rows)


@given(st.data())
def test_a_file_cut_anywhere_keeps_every_block_that_is_whole(data):
    whole = log_file(4)
    ends = [block.end for block in read_blocks(whole)]
    cut = data.draw(st.integers(FILE_HEADER_SIZE, len(whole)))
    items = list(read_blocks(whole[:cut]))
    blocks = [item for item in items if isinstance(item, Block)]
    damage = [item for item in items if isinstance(item, Damage)]
    kept = [end for end in ends if end <= cut]
    assert [block.end for block in blocks] == kept
    last = max(kept, default=FILE_HEADER_SIZE)
    assert [(item.start, item.end) for item in damage] == ([] if last == cut else [(last, cut)])


@given(st.data())
def test_one_wrong_byte_costs_one_block(data):
    whole = bytearray(log_file(4))
    ends = [block.end for block in read_blocks(bytes(whole))]
    position = data.draw(st.integers(FILE_HEADER_SIZE, len(whole) - 1))
    whole[position] ^= data.draw(st.integers(1, 255))
    blocks = [item for item in read_blocks(bytes(whole)) if isinstance(item, Block)]
    starts = [FILE_HEADER_SIZE, *ends]
    assert [block.end for block in blocks] == [
        end for start, end in zip(starts, ends, strict=False) if not start <= position < end
    ]


def test_other_files_are_no_log():
    for data in (b"", b"DCSLOG1", b"PAR1" + bytes(40)):
        with pytest.raises(NotALog):
            unpack_file_header(data)
