"""Against a real SMTP server."""

import email
import socket
import ssl
import subprocess
import threading
from email import policy

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from alarms.mail import NotAccepted
from alarms.notifyfile import SmtpChannel
from alarms.outbox import Page
from alarms.smtp import send

PAGE = Page(1, "<1.1.ada@test>", "ada", "ada@b.c", "MAJOR: µ", "Grüße\n.\nend\n", "<0@test>", 1_795_262_523_000_000_000, 0)


class Handler:
    def __init__(self):
        self.mails = []
        self.refuse = {}

    async def handle_RCPT(self, server, session, envelope, address, options):
        if "RCPT" in self.refuse:
            return self.refuse["RCPT"]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        if "DATA" in self.refuse:
            return self.refuse["DATA"]
        self.mails.append(envelope)
        return "250 2.0.0 queued as ABC"

    async def handle_QUIT(self, server, session, envelope):
        return self.refuse.get("QUIT", "221 Bye")


@pytest.fixture
def handler():
    return Handler()


@pytest.fixture
def serving(free_port, handler):
    controllers = []

    def serve(**options):
        controllers.append(Controller(handler, hostname="127.0.0.1", port=free_port, **options))
        controllers[-1].start()
        return SmtpChannel.model_validate({"host": "127.0.0.1", "port": free_port, "from": "a@b.c", "timeout_s": 30})

    yield serve
    for controller in controllers:
        controller.stop()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1"
    try:
        subprocess.run(
            [*command.split(), "-keyout", "key.pem", "-out", "cert.pem"], cwd=folder, check=True, capture_output=True
        )
    except FileNotFoundError:
        pytest.skip("openssl, which makes the certificate, is not installed")
    return folder


def server_context(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    return context


def changed(channel, **values):
    return SmtpChannel.model_validate(channel.model_dump(by_alias=True) | values)


def test_mail_arrives_and_the_reply_is_proof(serving, handler):
    assert send(serving(), PAGE) == "250 2.0.0 queued as ABC"
    message = email.message_from_bytes(handler.mails[0].content, policy=policy.default)
    assert (message["Subject"], message["To"], message["Message-ID"]) == ("MAJOR: µ", "ada@b.c", "<1.1.ada@test>")
    assert message["In-Reply-To"] == "<0@test>"
    assert message["Date"] == "Sat, 21 Nov 2026 12:02:03 +0000"
    assert message.get_content().splitlines() == ["Grüße", ".", "end"]


@pytest.mark.parametrize(("step", "reply", "text"), [
    ("RCPT", "550 no such user", "at receiver: 550 no such user"),
    ("DATA", "452 disk full", "at message: 452 disk full"),
])  # fmt: skip
def test_refusal_says_step_and_reply(serving, handler, step, reply, text):
    handler.refuse[step] = reply
    with pytest.raises(NotAccepted, match=text):
        send(serving(), PAGE)


def test_trouble_after_acceptance_is_no_failure(serving, handler):
    handler.refuse["QUIT"] = "500 what?"
    assert send(serving(), PAGE).startswith("250")


def test_nobody_listens(free_port):
    channel = SmtpChannel.model_validate({"host": "127.0.0.1", "port": free_port, "from": "a@b.c"})
    with pytest.raises(NotAccepted, match=rf"mail server 127\.0\.0\.1:{free_port} at connecting: .*refused"):
        send(channel, PAGE)


def login(server, session, envelope, mechanism, data):
    good = isinstance(data, LoginPassword) and (data.login, data.password) == (b"veto", b"secret")
    return AuthResult(success=good, handled=good)


def test_starttls_and_login_from_a_file(serving, handler, certificate, tmp_path):
    channel = serving(tls_context=server_context(certificate), require_starttls=True, auth_required=True, authenticator=login)
    path = tmp_path / "login.yaml"
    path.write_text("user: veto\npassword: secret\n")
    path.chmod(0o600)
    secure = changed(channel, tls="starttls", ca_file=str(certificate / "cert.pem"), login_file=str(path))
    assert send(secure, PAGE).startswith("250")
    path.write_text("user: veto\npassword: wrong\n")
    with pytest.raises(NotAccepted, match="at login: 535"):
        send(secure, PAGE)
    path.chmod(0o644)
    with pytest.raises(NotAccepted, match="others may read it"):
        send(secure, PAGE)
    assert len(handler.mails) == 1


@pytest.mark.filterwarnings("ignore:Requiring AUTH")  # the server does not know that the whole connection is secured
def test_login_from_the_environment(serving, certificate, monkeypatch):
    channel = serving(ssl_context=server_context(certificate), auth_required=True, authenticator=login, auth_require_tls=False)
    values = {"tls": "implicit", "ca_file": str(certificate / "cert.pem"), "user_env": "U", "password_env": "P"}
    secure = changed(channel, **values)
    with pytest.raises(NotAccepted, match="environment variable U"):
        send(secure, PAGE)
    monkeypatch.setenv("U", "veto")
    monkeypatch.setenv("P", "secret")
    assert send(secure, PAGE).startswith("250")


def test_unknown_certificate_is_refused(serving, certificate):
    channel = serving(tls_context=server_context(certificate))
    with pytest.raises(NotAccepted, match=r"at STARTTLS: .*certificate"):
        send(changed(channel, tls="starttls"), PAGE)


def test_starttls_never_falls_back_to_plain(serving, handler):
    with pytest.raises(NotAccepted, match="at STARTTLS"):
        send(changed(serving(), tls="starttls"), PAGE)
    assert handler.mails == []


@pytest.fixture
def dripping(free_port):
    """A server that never comes to the end of its greeting, one short line at a time."""
    end = threading.Event()

    def serve(listener):
        connection, _ = listener.accept()
        with connection:
            while not end.wait(0.05):
                try:
                    connection.sendall(b"220-patience\r\n")
                except OSError:
                    return

    with socket.create_server(("127.0.0.1", free_port)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        yield free_port
        end.set()
        thread.join()


def test_a_server_that_never_comes_to_an_end_is_given_up(dripping):
    channel = SmtpChannel.model_validate({"host": "127.0.0.1", "port": dripping, "from": "a@b.c", "timeout_s": 0.5})
    with pytest.raises(NotAccepted, match=rf"mail server 127\.0\.0\.1:{dripping} at connecting: not done after 1\.5 s"):
        send(channel, PAGE)
