"""Passwords and tokens are hidden wherever a person or a log could see them."""

from __future__ import annotations

import io
import logging
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from sipmdcs.cli import main
from sipmdcs.database import parse_url
from sipmdcs.errors import BadInput, DcsError, ServiceError
from sipmdcs.logs import ErrorCounter, UtcFormatter, write_traceback
from sipmdcs.redaction import redact, redact_url
from sipmdcs.yamlfile import Strict, parse_yaml

SECRET = "hunter2"
URLS = [
    f"postgresql+psycopg://dcs:{SECRET}@db.example.org:port/sipmdcs",
    f"postgresql+psycopg://dcs:{SECRET}@db.example.org:99999999/sipmdcs",
    f"postgresql+psycopg://dcs:a:b/c@{SECRET}?#@db:x/sipmdcs",
    f"postgresql+psycopg://dcs:a b{SECRET}@db:x/sipmdcs",
    f"postgresql+psycopg://dcs:{SECRET}",
    f"postgresql+psycopg://dcs@db:x/sipmdcs?password={SECRET}",
    f"postgresql:/dcs:{SECRET}@db/sipmdcs",
    f"dcs:{SECRET}@db/sipmdcs",
    f"oracle://dcs:{SECRET}@db/sipmdcs",
    f"postgresql+psycopg://dcs@db/sipmdcs?sslpassword={SECRET}",
]
SITE = """
name: Test
prefix: TST
database: {url!r}
controllers:
  PS1: {{driver: c11204, id: "1", subsystem: LAB, port: sim}}
iocs:
  bench: {{controllers: [PS1]}}
"""


@pytest.mark.parametrize("url", URLS)
def test_a_malformed_database_url_shows_no_password(tmp_path: Path, url: str) -> None:
    (tmp_path / "site.yaml").write_text(SITE.format(url=url))
    commands = (["config", "history"], ["doctor"], ["config", "push"], ["run", "list"], ["downtime", "--list"])
    for command in commands if url is URLS[0] else commands[:1]:
        done = CliRunner().invoke(main, ["--site", str(tmp_path), "--log-level", "debug", *command])
        assert done.exit_code == 1, done.output
        assert SECRET not in done.output
    for file in tmp_path.rglob("*.log"):
        assert SECRET not in file.read_text()


@given(st.text(st.characters(codec="ascii", categories=("L", "N", "P", "S")), min_size=1))
def test_no_password_is_shown_whatever_its_characters(noise: str) -> None:
    shown = redact_url(f"postgresql+psycopg://dcs:{noise}{SECRET}{noise}@db:5432/sipmdcs")
    assert shown == "postgresql+psycopg://dcs:***@db:5432/sipmdcs"


@pytest.mark.parametrize(
    "text",
    [
        "database sqlite:////data/x.sqlite: disk full",
        "expected sim, serial:///DEVICE or tcp://HOST[:TELNET[:HTTP]]",
        "postgresql+psycopg://dcs@db:5432/sipmdcs is not there",
        "a password needs tls: starttls",
        "the service does not answer at http://127.0.0.1:8082: refused",
        "PVs:60, mail to a@example.org",
    ],
)
def test_what_holds_no_secret_is_shown_as_it_is(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize("url", ["sqlite:////data/x:y.sqlite", "tcp://192.168.5.13:23:80", "postgresql://dcs@db:5432/sipmdcs"])
def test_a_url_without_a_password_is_shown_as_it_is(url: str) -> None:
    assert redact_url(url) == url


@pytest.mark.parametrize(
    "text",
    [
        f"smtp://me:{SECRET}@mail",
        f"api_token={SECRET}&x=1",
        f'{{"user": "x", "password": "{SECRET}"}}',
        f"{{'smtp_password': '{SECRET}'}}",
    ],
)
def test_errors_logs_and_tracebacks_hide_secrets(tmp_path: Path, text: str) -> None:
    stream, counter, log = io.StringIO(), ErrorCounter(), logging.getLogger("test.redaction")
    handler = logging.StreamHandler(stream)
    handler.setFormatter(UtcFormatter())
    log.addHandler(handler)
    log.addHandler(counter)
    try:
        raise RuntimeError(text)
    except RuntimeError as err:
        log.exception("failed: %s", text)
        path = write_traceback(err, tmp_path)
    finally:
        log.removeHandler(handler)
        log.removeHandler(counter)
    errors = [str(DcsError(text)), str(ServiceError(text)), str(BadInput(text, file="f", line=1, key="k"))]
    for shown in (stream.getvalue(), counter.last, path.read_text(), *errors):
        assert shown
        assert SECRET not in shown


def test_a_value_of_a_key_that_holds_a_secret_is_not_shown() -> None:
    class Login(Strict):
        password: str

    with pytest.raises(BadInput, match=r"password: expected text, found \*\*\*$"):
        parse_yaml("password: 12345", Login, Path("login.yaml"))


def test_parse_url_names_what_it_expected() -> None:
    with pytest.raises(
        BadInput, match=r"^database URL postgresql://u:\*\*\*@h:x/n cannot be understood, expected sqlite"
    ) as caught:
        parse_url(f"postgresql://u:{SECRET}@h:x/n")
    assert caught.value.__context__ is None
