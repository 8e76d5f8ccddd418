"""The site folder: what is refused, and what follows from what is accepted."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from sipmdcs.errors import BadInput
from sipmdcs.site import Site

GOOD: dict[str, Any] = {
    "name": "Test",
    "prefix": "TST",
    "controllers": {
        "PS1": {"driver": "c11204", "id": "1", "subsystem": "LAB", "port": "sim"},
        "PS2": {"driver": "c11204", "id": "2", "subsystem": "LAB", "port": "serial:///dev/ttyUSB0", "poll_s": 0.5},
    },
    "iocs": {"one": {"controllers": ["PS1"]}, "two": {"controllers": ["PS2"]}},
}


def _make(folder: Path, data: dict[str, Any]) -> Site:
    (folder / "site.yaml").write_text(yaml.safe_dump(data, sort_keys=False), "utf-8")
    return Site(folder)


def _changed(path: str, value: Any) -> dict[str, Any]:
    """The good site with one key changed; a value of ``...`` removes it."""
    data = copy.deepcopy(GOOD)
    *parents, last = path.split("/")
    place = data
    for parent in parents:
        place = place.setdefault(parent, {})
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return data


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("prefix", ..., r"site\.yaml(:1)?: prefix: is missing"),
        ("prefix", "tst", r"site\.yaml:2: prefix: expected upper-case letters.*found 'tst'"),
        ("prefix", "T:S", r"site\.yaml:2: prefix: expected upper-case"),
        ("channel_access/server_port", 70000, r"channel_access\.server_port: .*less than or equal to 65535, found 70000"),
        ("channel_access/server_port", True, r"channel_access\.server_port: expected a whole number, found true"),
        ("channel_access/server_port", "5064", r"channel_access\.server_port: expected a whole number, found '5064'"),
        ("channel_access", {"repeater_port": 5064}, r"yaml:\d\d: channel_access\.repeater_port: is 5064, as server_port is"),
        ("alarms", {"port": 17665}, r"yaml:\d\d: alarms\.port: is 17665, as archiver\.port is"),
        ("controllers/PS1/poll_s", True, r"controllers\.PS1\.poll_s: expected a number, found true"),
        (
            "channel_access/interface",
            "localhost",
            r"channel_access\.interface: expected an IPv4 address such as 127\.0\.0\.1, found 'localhost'",
        ),
        ("channel_access/adress_list", [], r"channel_access\.adress_list: unknown key"),
        *(
            ("channel_access/address_list", [address], r"channel_access\.address_list\.0: expected HOST or HOST:PORT with")
            for address in ("", "10.0.0", "10.0.0.5:", "10.0.0.5:0", "10.0.0.5:65536", "a b", "ioc:x", "-ioc", ":5064")
        ),
        ("controllers/PS1/poll_s", 0, r"controllers\.PS1\.poll_s: .*greater than 0, found 0"),
        ("controllers/PS1/port", "/dev/ttyUSB0", r"controllers\.PS1\.port: expected sim, serial:///DEVICE or tcp://HOST"),
        ("controllers/PS1/port", "tcp://", r"controllers\.PS1\.port: expected sim, serial:///DEVICE or tcp://HOST"),
        (
            "database",
            "postgres://dcs:secret@db/x",
            r"database: expected sqlite:///FILE or .*, found 'postgres://dcs:\*\*\*@db/x'",
        ),
        ("analysis", "dask-scheduler", r"analysis: expected the address of a Dask scheduler such as tcp://HOST:8786"),
        ("controllers/PS1/id", 1, r"site\.yaml:6: controllers\.PS1\.id: expected text, found 1"),
        (
            "controllers/ps3",
            {"driver": "x", "id": "3", "subsystem": "L", "port": "sim"},
            r"controllers\.ps3.*: expected upper-case",
        ),
        ("controllers", {}, r"controllers: expected at least one entry"),
        ("iocs/one/controllers", ["PS9"], r"yaml:\d\d: iocs\.one\.controllers\.0: PS9 is not under controllers"),
        (
            "iocs/one/controllers",
            ["PS1", "PS2"],
            r"yaml:\d\d: iocs\.two\.controllers\.0: controller PS2 is in IOC one and in IOC two",
        ),
        ("iocs/two", ..., r"yaml:\d: controllers\.PS2: controller is in no IOC"),
        (
            "iocs/Two",
            {"controllers": ["PS2"]},
            r"yaml:\d\d: iocs\.Two: expected lower-case letters, digits and dashes, found 'Two'",
        ),
        ("name", "", r"yaml:1: name: expected one line of text, found ''"),
        ("name", "two\nlines", r"yaml:1: name: expected one line of text, found 'two\\nlines'"),
        ("name", None, r"yaml:1: name: expected text, found nothing"),
        ("iocs/two/controllers", [], r"iocs\.two\.controllers: expected at least one entry"),
    ],
)
def test_wrong_site_is_refused_in_one_line(tmp_path: Path, path: str, value: Any, message: str) -> None:
    with pytest.raises(BadInput, match=message) as caught:
        _make(tmp_path, _changed(path, value))
    assert str(caught.value).startswith(str(tmp_path / "site.yaml"))
    assert "\n" not in str(caught.value)


def test_a_relative_database_file_is_one_of_the_site(tmp_path: Path) -> None:
    site = _make(
        tmp_path, GOOD | {"database": "sqlite:///var/own.sqlite", "web": {"database": "sqlite:////elsewhere/read.sqlite"}}
    )
    assert site.database_url == f"sqlite:///{tmp_path}/var/own.sqlite"
    assert site.read_database_url == "sqlite:////elsewhere/read.sqlite"


def test_folder_without_site_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"no site\.yaml here; name a site folder with --site"):
        Site(tmp_path)


def test_names_follow_from_the_file(tmp_path: Path) -> None:
    site = _make(tmp_path, GOOD)
    assert site.controller_prefix("PS2") == "TST:LAB:PS2"
    assert site.service_prefix("pveto-a") == "TST:SYS:PVETO_A"
    assert site.ioc_of("PS2") == "two"
    assert site.service_names == ("one", "two", "archiver", "alarms")
    assert site.simulator_endpoint("PS1") == tmp_path / "var" / "sim" / "PS1.json"


def test_state_lies_in_var_unless_the_file_says_otherwise(tmp_path: Path) -> None:
    site = _make(tmp_path, GOOD)
    assert site.database_url == f"sqlite:///{tmp_path}/var/sipmdcs.sqlite"
    assert site.archive_folder == tmp_path / "var" / "archive"
    site = _make(tmp_path, _changed("database", "postgresql+psycopg://db/x") | {"archive": "/data/archive"})
    assert site.database_url == "postgresql+psycopg://db/x"
    assert site.archive_folder == Path("/data/archive")


@pytest.mark.parametrize(
    ("access", "expected"),
    [
        (
            {},
            {"EPICS_CA_ADDR_LIST": "127.255.255.255", "EPICS_CAS_INTF_ADDR_LIST": "127.0.0.1", "EPICS_CA_SERVER_PORT": "5064"},
        ),
        (
            {"interface": "192.168.5.1", "server_port": 6064},
            {"EPICS_CA_ADDR_LIST": "192.168.5.1", "EPICS_CAS_INTF_ADDR_LIST": "192.168.5.1", "EPICS_CAS_SERVER_PORT": "6064"},
        ),
        (
            {"interface": "192.168.5.1", "address_list": ["192.168.5.255", "10.0.0.1"]},
            {"EPICS_CA_ADDR_LIST": "192.168.5.255 10.0.0.1", "EPICS_CAS_BEACON_ADDR_LIST": "192.168.5.255 10.0.0.1"},
        ),
        (
            {"address_list": ["127.255.255.255", "10.0.0.5:5066", "ioc.example.org", "ioc-2:5070"]},
            {
                "EPICS_CA_ADDR_LIST": "127.255.255.255 10.0.0.5:5066 ioc.example.org ioc-2:5070",
                "EPICS_CAS_BEACON_ADDR_LIST": "127.255.255.255",
            },
        ),
        (
            {"address_list": ["ioc_1.example.org:5066"]},
            {"EPICS_CA_ADDR_LIST": "ioc_1.example.org:5066", "EPICS_CAS_BEACON_ADDR_LIST": "127.255.255.255"},
        ),
        ({"repeater_port": 7065}, {"EPICS_CA_REPEATER_PORT": "7065", "EPICS_CAS_BEACON_PORT": "7065"}),
    ],
)
def test_channel_access_environment(tmp_path: Path, access: dict[str, Any], expected: dict[str, str]) -> None:
    environment = _make(tmp_path, _changed("channel_access", access)).ca_environment()
    assert {name: environment[name] for name in expected} == expected
    assert environment["EPICS_CA_AUTO_ADDR_LIST"] == "NO"


def test_service_records_have_the_prefix_of_the_service(tmp_path: Path) -> None:
    records = _make(tmp_path, GOOD).service_records("one", "ioc")
    assert {record.name.rpartition(":")[0] for record in records} == {"TST:SYS:ONE"}
    assert {"HEARTBEAT", "UPTIME", "VERSION", "ERRORS"} <= {record.name.rpartition(":")[2] for record in records}


def test_own_substitutions_of_the_site_come_before_ours(tmp_path: Path) -> None:
    site = _make(tmp_path, GOOD)
    own = tmp_path / "db_templates"
    own.mkdir()
    (own / "ioc.substitutions").write_text('file "own.template" { {} }\n', "utf-8")
    (own / "own.template").write_text('record(ai, "$(S):OWN") {}\n', "utf-8")
    assert [record.name for record in site.service_records("one", "ioc")] == ["TST:SYS:ONE:OWN"]
    with pytest.raises(BadInput, match=r"nothing\.substitutions is not among the templates in "):
        site.service_records("nothing")


def test_ioc_that_is_not_rendered_says_how(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"one\.substitutions: is not rendered yet; run: sipmdcs config render"):
        _make(tmp_path, GOOD).ioc_records("one")


def test_access_security_of_the_site_replaces_ours(tmp_path: Path) -> None:
    site = _make(tmp_path, GOOD)
    assert site.access_file is not None
    assert site.access_file.is_file()
    (tmp_path / "access.acf").write_text("ASG(DEFAULT) {}\n", "utf-8")
    assert site.access_file == tmp_path / "access.acf"


@pytest.mark.parametrize("example", ["minimal", "padme-like"])
def test_examples_are_sites(example: str) -> None:
    site = Site(Path(__file__).parents[2] / "examples" / example)
    assert all(controller.port == "sim" for controller in site.file.controllers.values())
