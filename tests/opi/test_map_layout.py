"""Geometry of the heat map."""

from hypothesis import given
from hypothesis import strategies as st

from opi.detector import ControllerRow
from opi.widgets.map_layout import lay_out

sizes = st.lists(st.integers(1, 100), min_size=1, max_size=70)


def controllers(channels: list[int]) -> list[ControllerRow]:
    return [
        ControllerRow(f"HV{n:02d}", f"SUB{n // 10}", f"D:SUB{n // 10}:HV{n:02d}", count) for n, count in enumerate(channels)
    ]


@given(sizes, st.integers(600, 1900), st.integers(300, 900))
def test_every_channel_has_its_own_place_inside(channels: list[int], width: int, height: int) -> None:
    layout = lay_out(controllers(channels), width, height, 40)
    seen: set[tuple[int, int]] = set()
    for line in layout.lines:
        assert line.bounds.x >= 0
        assert line.bounds.y >= 0
        for channel in range(line.first, line.first + line.count):
            cell = layout.cell(line, channel)
            assert layout.at(cell.x + cell.width / 2, cell.y + cell.height / 2) == (line.row, channel)
            seen.add((line.row, channel))
    assert seen == {(row, channel) for row, count in enumerate(channels) for channel in range(count)}


def test_sixty_three_controllers_fit_a_small_display() -> None:
    layout = lay_out(controllers([16] * 63), 920, 480, 42)
    assert min(line.cells.height for line in layout.lines) >= 12
    assert layout.cell_width >= 12
    assert all(line.bounds.x + line.bounds.width <= 920.5 for line in layout.lines)
    assert all(line.bounds.y + line.bounds.height <= 480.5 for line in layout.lines)


def test_few_controllers_stand_in_one_block_with_their_full_text() -> None:
    layout = lay_out(controllers([16] * 14 + [1]), 920, 480, 42)
    assert len({line.label.x for line in layout.lines}) == 1
    assert layout.wide_info


def test_a_block_that_begins_inside_a_subsystem_names_it_again() -> None:
    layout = lay_out(controllers([16] * 63), 920, 480, 42)
    tops = {}
    for heading in layout.headings:
        tops.setdefault(heading.place.x, heading.place.y)
    assert len(set(tops.values())) == 1


def test_between_cells_there_is_nobody() -> None:
    layout = lay_out(controllers([4]), 920, 480, 42)
    assert layout.at(1, 1) is None
    assert layout.row_at(1, layout.lines[0].label.y + 1) == 0


def test_no_controllers_no_lines() -> None:
    assert lay_out([], 920, 480, 42).lines == ()


@given(sizes, st.data())
def test_steps_lead_to_channels_and_back(channels: list[int], data: st.DataObject) -> None:
    layout = lay_out(controllers(channels), 1200, 700, 40)
    row = data.draw(st.integers(0, len(channels) - 1))
    channel = data.draw(st.integers(0, channels[row] - 1))
    for across, down in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        there = layout.neighbour(row, channel, across, down)
        assert 0 <= there[1] < channels[there[0]]
    right = layout.neighbour(row, channel, 1, 0)
    assert right in ((row, channel), (row, channel + 1))
    if right != (row, channel):
        assert layout.neighbour(*right, -1, 0) == (row, channel)
