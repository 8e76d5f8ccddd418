import pytest

from alarms.check import check_routes
from alarms.notifyfile import SmtpChannel, Tls, load_notify
from alarms.tree import Leaf, grow
from sipmdcs.errors import BadInput

CHANNEL = "channels:\n  mail: {kind: smtp, host: localhost, from: a@b.c%s}\n"
RECEIVER = "receivers:\n  me: {channel: mail, address: me@b.c}\n"


def test_without_file_nobody_is_told(tmp_path):
    assert load_notify(tmp_path).routes == {}


def test_defaults(tmp_path):
    (tmp_path / "notify.yaml").write_text(CHANNEL % "" + RECEIVER + "routes:\n  all: {receivers: [me]}\n")
    file = load_notify(tmp_path)
    mail = file.channels["mail"]
    assert isinstance(mail, SmtpChannel)
    assert mail.tls is Tls.NONE
    assert file.routes["all"].minimum == "MAJOR"
    assert file.routes["all"].paths == ("/",)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (RECEIVER, "notify.yaml:2: receivers.me.channel: mail is not under channels"),
        (CHANNEL % "" + "routes:\n  all: {receivers: [you]}\n", "notify.yaml:4: routes.all.receivers.0: you is not under"),
        (CHANNEL % "" + "receivers:\n  me: {channel: mail, address: nobody}\n", "notify.yaml:4: receivers.me.address"),
        (CHANNEL % ", login_file: /x, tls: none", "a password needs tls"),
        (CHANNEL % ", login_file: mail.yaml, tls: starttls", "notify.yaml:2: channels.mail.login_file"),
        (CHANNEL % ", user_env: X, tls: starttls", "go together"),
        ("channels:\n  mail: {kind: sms}\n", "notify.yaml:2: channels.mail: input tag 'sms' found"),
        ("channels:\n  mail: {kind: smtp, from: a@b.c}\n", "notify.yaml:2: channels.mail.host: is missing"),
        ("channels:\n  mail: {kind: maildir, from: a@b.c, folder: v, host: x}\n", "notify.yaml:2: channels.mail.host: unknown"),
        (CHANNEL % "" + RECEIVER + "routes:\n  all: {receivers: [me], minimum: OK}\n", "notify.yaml:6: routes.all.minimum"),
        (CHANNEL % "" + RECEIVER + "routes:\n  all: {receivers: []}\n", "notify.yaml:6: routes.all.receivers"),
        (
            CHANNEL % "" + 'receivers:\n  "a\\nb": {channel: mail, address: a@b.c}\n',
            "notify.yaml:4: receivers.'a\\nb': expected a name",
        ),
        (CHANNEL % "" + "receivers:\n  '': {channel: mail, address: a@b.c}\n", "notify.yaml:4: receivers.: expected a name"),
        (CHANNEL % "" + 'receivers:\n  me: {channel: mail, address: "a\\x01@b.c"}\n', "notify.yaml:4: receivers.me.address"),
        ("channels:\n  mail: {host: 'a b', from: a@b.c}\n", "notify.yaml:2: channels.mail.host: expected the name or address"),
        (
            "channels:\n  mail: {host: 'localhost:25', from: a@b.c}\n",
            "notify.yaml:2: channels.mail.host: expected the name or address",
        ),
        (
            'channels:\n  mail: {kind: maildir, folder: "a\\0b", from: a@b.c}\n',
            "notify.yaml:2: channels.mail.folder: expected a path",
        ),
        (CHANNEL % "" + RECEIVER + "fallback: you\n", "notify.yaml:5: fallback: you is not under receivers"),
        (CHANNEL % "" + RECEIVER + "routes:\n  all: {receivers: [me], repeat_s: 1e-9}\n", "notify.yaml:6: routes.all.repeat_s"),
        ("chanels: {}\n", "notify.yaml:1: chanels: unknown key"),
    ],
)
def test_complaint_names_file_line_and_key(tmp_path, text, complaint):
    (tmp_path / "notify.yaml").write_text(text)
    with pytest.raises(BadInput) as err:
        load_notify(tmp_path)
    assert complaint in str(err.value)


def test_a_route_of_nothing_is_named(tmp_path):
    routes = "routes:\n  all: {receivers: [me]}\n  typo:\n    receivers: [me]\n    paths:\n      - V*\n      - VETTO/HV1\n"
    (tmp_path / "notify.yaml").write_text(CHANNEL % "" + RECEIVER + routes)
    with pytest.raises(BadInput, match=r"notify\.yaml:11: routes\.typo\.paths\.1: VETTO/HV1 is no path in the alarm tree"):
        check_routes(load_notify(tmp_path), grow([Leaf("D:X", ("VETO", "HV1"))], {}), tmp_path)


def test_login_inside_the_site_folder_is_refused(tmp_path):
    text = CHANNEL % f", tls: starttls, login_file: {tmp_path / 'sub' / 'mail.yaml'}"
    (tmp_path / "notify.yaml").write_text(text)
    with pytest.raises(BadInput, match="outside the site folder"):
        load_notify(tmp_path)
