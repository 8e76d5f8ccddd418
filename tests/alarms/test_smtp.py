"""Against a real SMTP server."""

import email
import socket
import ssl
import subprocess
import threading
import time
from dataclasses import replace
from email import policy

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from alarms.mail import Deferred, NotAccepted, OutcomeUnknown, Refused
from alarms.notifyfile import SmtpChannel
from alarms.outbox import Page
from alarms.smtp import send

PAGE = Page(1, "<1.1.ada@test>", "ada", "ada@b.c", "MAJOR: µ", "Grüße\n.\nend\n", "<0@test>", 1_795_262_523_000_000_000, 0)


class Handler:
    def __init__(self):
        self.mails = []
        self.refuse = {}

    async def handle_MAIL(self, server, session, envelope, address, options):
        if "MAIL" in self.refuse:
            return self.refuse["MAIL"]
        envelope.mail_from = address
        return "250 OK"

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


@pytest.mark.parametrize(
    ("step", "reply", "kind", "text"),
    [
        ("RCPT", "550 no such user", Refused, "at receiver: 550 no such user"),
        ("RCPT", "450 greylisted", Deferred, "at receiver: 450 greylisted"),
        ("RCPT", "421 too busy", NotAccepted, "at receiver: 421 too busy"),
        ("DATA", "452 disk full", Deferred, "at end of message: 452 disk full"),
        ("DATA", "554 \x1b[31mspam\x07", Refused, r"at end of message: 554 \[31mspam"),
        ("MAIL", "550 who are you", Refused, "at sender: 550 who are you"),
        ("MAIL", "451 later", NotAccepted, "at sender: 451 later"),
    ],
)
def test_refusal_says_step_and_reply_and_whether_it_is_for_good(serving, handler, step, reply, kind, text):
    handler.refuse[step] = reply
    with pytest.raises(NotAccepted, match=text) as caught:
        send(serving(), PAGE)
    assert type(caught.value) is kind


@pytest.mark.parametrize(
    ("lines", "last", "kind", "step"),
    [
        (b"220 a|250 a|250 a|250 a|354 go|", "hang", OutcomeUnknown, "end of message"),
        (b"220 a|250 a|250 a|250 a|354 go|", "close", OutcomeUnknown, "end of message"),
        (b"220 a|250 a|250 a|250 a|354 go|no reply at all", "hang", OutcomeUnknown, "end of message"),
        (b"220 a|250 a|250 a|250 a|503 no", "hang", Refused, "message"),
        (b"220 a|250 a|250 a|250 a|452 no", "hang", Deferred, "message"),
        (b"220 a|250 a|250 a|250 a|", "close", Deferred, "message"),
        (b"220 a|250 a|250 a|", "hang", Deferred, "receiver"),
        (b"220 a|250 a|", "close", NotAccepted, "sender"),
        (b"554 go away", "hang", NotAccepted, "connecting"),
        (b"220 a|502 what", "hang", NotAccepted, "greeting"),
        (b"220 a|" + b"250-a\r\n" * 20_000, "hang", NotAccepted, "greeting: Connection unexpectedly closed"),
        (b"220 a|250 a|250 a|250 " + b"a" * 20_000, "hang", Deferred, "receiver: Connection unexpectedly closed"),
    ],
)
def test_a_server_that_breaks_off(scripted, lines, last, kind, step):
    channel = scripted(lines.split(b"|"), last)
    with pytest.raises(NotAccepted, match=f" at {step}: ") as caught:
        send(channel, PAGE)
    assert type(caught.value) is kind


@pytest.fixture
def scripted(free_port):
    """A server that says given lines, one per line it gets (the whole message counts as one), and then hangs or hangs up."""
    end = threading.Event()
    threads = []

    def serve(listener, lines, last):
        connection, _ = listener.accept()
        with connection, connection.makefile("rb") as heard:
            for number, line in enumerate(lines):
                if number:
                    while (got := heard.readline()) and lines[number - 1].startswith(b"354") and got != b".\r\n":
                        pass
                if line:
                    connection.sendall(line + b"\r\n")
            if last == "hang":
                end.wait(20)

    def start(lines, last):
        listener = socket.create_server(("127.0.0.1", free_port))
        threads.append((listener, threading.Thread(target=serve, args=(listener, lines, last))))
        threads[-1][1].start()
        return SmtpChannel.model_validate({"host": "127.0.0.1", "port": free_port, "from": "a@b.c", "timeout_s": 0.3})

    yield start
    end.set()
    for listener, thread in threads:
        thread.join()
        listener.close()


@pytest.mark.parametrize(
    "values", [{"subject": "a\r\nBcc: e@x"}, {"body": "x\r\n.\r\nMAIL FROM:<e@x>\r\n"}, {"subject": "\ud800x\u202e"}]
)
def test_no_text_becomes_a_header_or_a_command(serving, handler, values):
    assert send(serving(), replace(PAGE, **values)).startswith("250")
    message = email.message_from_bytes(handler.mails[0].content, policy=policy.default)
    assert message.keys().count("Bcc") == 0
    assert len(handler.mails) == 1
    assert message["Subject"].isprintable()


def test_a_mail_that_cannot_be_built_is_refused_before_any_server_is_asked(free_port):
    channel = SmtpChannel.model_validate({"host": "127.0.0.1", "port": free_port, "from": "a@b.c"})
    with pytest.raises(Refused, match="the mail cannot be built"):
        send(channel, replace(PAGE, address="a\nb@b.c"))


def test_trouble_after_acceptance_is_no_failure(serving, handler):
    handler.refuse["QUIT"] = "500 what?"
    assert send(serving(), PAGE).startswith("250")


def test_a_server_that_never_says_goodbye_holds_up_no_next_mail(scripted):
    channel = changed(scripted(b"220 a|250 a|250 a|250 a|354 go|250 taken".split(b"|"), "hang"), timeout_s=30)
    start = time.monotonic()
    assert send(channel, PAGE) == "250 taken"
    assert time.monotonic() - start < 15


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
