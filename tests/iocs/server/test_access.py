"""Access security: the file, the rules, and what a client is told."""

from __future__ import annotations

import getpass
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from iocs.access import READ, WRITE, AccessSecurity, load_access_security
from sipmdcs.errors import BadInput
from tests.iocs.server.conftest import TEMPLATES, Client, Ioc

RULES = """
    # who is who
    UAG(experts) { alice, "bob" }
    UAG(all) { alice, carol }
    HAG(room) { DAQ1, daq2.lab }
    ASG(DEFAULT) { RULE(1, READ) RULE(0, WRITE, TRAPWRITE) }
    ASG(EXPERT) { RULE(1, READ) RULE(1, WRITE) { UAG(experts) } }
    ASG(ROOM) { RULE(1, WRITE) { UAG(experts, all) HAG(room) } RULE(0, READ) }
    ASG(CLOSED) { RULE(1, NONE) }
    ASG(EMPTY)
"""


@pytest.fixture
def rules(tmp_path: Path) -> AccessSecurity:
    file = tmp_path / "access.acf"
    file.write_text(RULES)
    return load_access_security(file)


@pytest.mark.parametrize(
    ("group", "level", "user", "host", "rights"),
    [
        ("DEFAULT", 0, "dave", "x", READ | WRITE),
        ("DEFAULT", 1, "dave", "x", READ),
        ("UNKNOWN", 1, "dave", "x", READ),
        ("", 0, "dave", "x", READ | WRITE),
        ("EXPERT", 1, "alice", "x", READ | WRITE),
        ("EXPERT", 1, "carol", "x", READ),
        ("ROOM", 1, "carol", "daq1", READ | WRITE),
        ("ROOM", 1, "bob", "DAQ2.lab", READ | WRITE),
        ("ROOM", 1, "bob", "home", 0),
        ("ROOM", 0, "dave", "home", READ),
        ("CLOSED", 0, "alice", "daq1", 0),
        ("EMPTY", 0, "alice", "daq1", 0),
    ],
)
def test_rights(rules: AccessSecurity, group: str, level: int, user: str, host: str, rights: int) -> None:
    assert rules.rights(group, level, user, host) == rights


def test_without_a_file_everybody_may_do_everything() -> None:
    assert AccessSecurity().rights("ANY", 1, "anybody", "anywhere") == READ | WRITE


def test_the_files_of_the_project_can_be_read() -> None:
    for file in TEMPLATES.glob("*.acf"):
        assert load_access_security(file).rights("READBACK", 0, "x", "y") == READ


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("ASG(A) {\n RULE(2, READ)\n}", 2, "expected 0 or 1, found 2"),
        ("ASG(A) { RULE(1, EXECUTE) }", 1, "expected NONE or READ or WRITE, found EXECUTE"),
        ('ASG(A) {\n INPA("X")\n}', 2, "expected RULE, found INPA"),
        ('ASG(A) { RULE(1, WRITE) {\n CALC("A=1") } }', 2, "expected UAG or HAG, found CALC"),
        ("ASG(A) {\n RULE(1, WRITE) { UAG(nobody) } }", 2, "UAG(nobody) is not defined above"),
        ("GROUP(A)", 1, "expected UAG or HAG or ASG, found GROUP"),
        ("ASG(A) {\n RULE(1, READ)\n", 3, "expected RULE, found end of file"),
        ("UAG(a) { b c }", 1, "expected ',', found c"),
        ("UAG() { b }", 1, "expected the name of the UAG, found )"),
        ("ASG(A) {}\nASG(A) {}", 2, "ASG(A) is defined twice"),
        ("ASG(A) {\n\n & }", 3, "unexpected '&'"),
    ],
)
def test_anything_else_is_refused_with_its_line(tmp_path: Path, text: str, line: int, words: str) -> None:
    file = tmp_path / "access.acf"
    file.write_text(text)
    with pytest.raises(BadInput) as caught:
        load_access_security(file)
    assert words in str(caught.value)
    assert (caught.value.file, caught.value.line) == (str(file), line)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read: No such file"):
        load_access_security(tmp_path / "none.acf")


@pytest.fixture
def client(tmp_path: Path, free_port: int) -> Iterator[Client]:
    """A client of a server that lets this user write expert records and nobody write others."""
    (tmp_path / "access.acf").write_text(f"""
        UAG(me) {{ {getpass.getuser()} }}
        ASG(DEFAULT) {{ RULE(1, READ) RULE(1, WRITE) {{ UAG(me) }} }}
        ASG(READBACK) {{ RULE(1, READ) }}
        ASG(VALUE_ONLY) {{ RULE(1, READ) RULE(0, WRITE) }}
        ASG(SECRET) {{ RULE(1, NONE) }}
    """)
    (tmp_path / "test.db").write_text("""
        record(ao, "MINE") {}
        record(ai, "READBACK") { field(ASG, "READBACK") }
        record(ao, "VALUE") { field(ASG, "VALUE_ONLY") }
        record(ao, "SECRET") { field(ASG, "SECRET") }
    """)
    ioc = Ioc("our_ioc.py", ["--access", tmp_path / "access.acf", tmp_path / "test.db"], free_port, "serving")
    client = Client(free_port)
    yield client
    client.close()
    assert "Traceback" not in ioc.close()


def rights(client: Client, name: str) -> tuple[bool, bool]:
    found = client.get(name, form=0)[0]
    assert found is not None
    return found["readable"], found["writable"]


def test_a_client_is_told_its_rights_and_held_to_them(client: Client) -> None:
    assert rights(client, "MINE") == (True, True)
    assert rights(client, "MINE.HIHI") == (True, True)
    assert rights(client, "MINE.SEVR") == (True, False)
    assert rights(client, "READBACK") == (True, False)
    assert rights(client, "READBACK.HIHI") == (True, False)
    assert rights(client, "VALUE") == (True, True)
    assert rights(client, "VALUE.HIHI") == (True, False)
    assert rights(client, "SECRET") == (False, False)
    # libca itself refuses what it was told it may not do; a put without completion is refused by it as well.
    assert client.put("MINE", 3.0) == 1
    assert client.put("READBACK", 3.0) == 376
    assert client.value("READBACK") == 0


def test_rights_follow_the_access_group(client: Client) -> None:
    assert rights(client, "MINE") == (True, True)
    client.ask("watch", pvs=["MINE.DESC"], mask=1)
    assert client.put("MINE.ASG", "READBACK") == 1
    wait_for(lambda: rights(client, "MINE") == (True, False))
    assert client.put("MINE.ASG", "DEFAULT") == 376


def wait_for(true: Callable[[], bool]) -> None:
    assert any(true() for _ in range(200))
