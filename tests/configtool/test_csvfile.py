from __future__ import annotations

from pathlib import Path

import pytest

from configtool.csvfile import read_csv
from sipmdcs.errors import BadInput

COLUMNS = ("a", "b")


@pytest.mark.parametrize(
    "content",
    [b"a,b\n1,2\n", b"\xef\xbb\xbfa,b\r\n1,2\r\n", b"b,a\n2,1\n", b'a,b\n\n"1",2\n\n', b"a,b\r1,2\r"],
    ids=["plain", "excel", "other order", "quotes and empty lines", "old Mac"],
)
def test_the_same_rows(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    (row,) = read_csv(path, COLUMNS)
    assert row.cells == {"a": "1", "b": "2"}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "t.csv:1: is empty; the header must be a,b"),
        (b"\n\n", "t.csv:1: is empty; the header must be a,b"),
        (b"a,b\n", "t.csv:1: holds no data rows"),
        (b"\xef\xbb\xbfa;b\n1,5;2\n", "t.csv:1: a: columns are separated by ';', expected commas; the header must be a,b"),
        (b"a\tb\n1\t2\n", "t.csv:1: a: columns are separated by '\\t', expected commas; the header must be a,b"),
        (b"a\n1\n", "t.csv:1: b: column is missing; the header must be a,b"),
        (b"a;b\n1;2\n", "t.csv:1: a: columns are separated by ';', expected commas; the header must be a,b"),
        (b"a,b,a\n1,2,3\n", "t.csv:1: a: column is there twice; the header must be a,b"),
        (b"a,b,c\n1,2,3\n", "t.csv:1: c: unknown column; the header must be a,b"),
        (b"a,b\n1,2\n3\n", "t.csv:3: row has 1 columns, the header 2"),
        (b"a,b\n1,2\n3,4,5\n", "t.csv:3: row has 3 columns, the header 2"),
        (b"a,b\n1,2\n3,\xe9\n", "t.csv:3: byte 0xe9 is not UTF-8"),
        (b'a,b\n1,2\n3,"4\n5,6\n', "t.csv:3: not valid CSV: unexpected end of data"),
        (b'a,b\n1,"2"x\n', "t.csv:2: not valid CSV: ',' expected after '\"'"),
    ],
)
def test_anything_else_is_one_error_with_its_place(tmp_path: Path, content: bytes, expected: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    with pytest.raises(BadInput) as caught:
        read_csv(path, COLUMNS)
    assert str(caught.value) == f"{tmp_path}/{expected}"


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"gone.csv: cannot be read: No such file or directory"):
        read_csv(tmp_path / "gone.csv", COLUMNS)
    with pytest.raises(BadInput, match="/dev/zero: has more than 64 MB, the most that is read"):
        read_csv(Path("/dev/zero"), COLUMNS)


@pytest.mark.parametrize(
    ("cell", "problem"),
    [
        ("", "is empty"),
        (" x", "blanks around it"),
        ("$(P)", "a dollar sign"),
        ("a\x07", "a control character"),
        ("a\u2028b", "a control character"),
        ("y" * 41, "has 41 characters, at most 40 fit"),
    ],
)
def test_text_that_cannot_go_into_a_record(tmp_path: Path, cell: str, problem: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(f'a,b\n"{cell}",2\n', "utf-8")
    (row,) = read_csv(path, COLUMNS)
    with pytest.raises(BadInput, match=problem) as caught:
        row.text("a")
    assert (caught.value.line, caught.value.key) == (2, "a")


def test_a_row_knows_its_line_after_a_cell_of_two_lines(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('a,b\n"1\n1",2\n3,x\n', "utf-8")
    rows = read_csv(path, COLUMNS)
    assert [row.line for row in rows] == [2, 4]
    with pytest.raises(BadInput, match=r"t.csv:4: b: 'x' is not a plain decimal number, expected one such as 57.42"):
        rows[1].number("b")
