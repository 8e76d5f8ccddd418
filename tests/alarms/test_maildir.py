import mailbox

import pytest

from alarms.mail import NotAccepted
from alarms.maildir import keep
from alarms.notifyfile import MaildirChannel
from alarms.outbox import Page

CHANNEL = MaildirChannel.model_validate({"kind": "maildir", "folder": "var/mail", "from": "alarms@b.c"})
PAGE = Page(1, "<1@b.c>", "me", "me@b.c", "MAJOR", "what", in_reply_to="", composed_ns=0, attempts=0)


def test_a_kept_mail_is_read_back(tmp_path):
    reply = keep(CHANNEL, PAGE, tmp_path)
    (mail,) = mailbox.Maildir(tmp_path / "var" / "mail", create=False)
    assert mail["Subject"] == "MAJOR"
    assert mail["To"] == "me@b.c"
    assert mail["Message-ID"] == "<1@b.c>"
    assert str(mail.get_payload()).strip() == "what"
    assert str(tmp_path / "var" / "mail") in reply


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "var").write_text("a file where the folder should be")
    with pytest.raises(NotAccepted, match="var/mail"):
        keep(CHANNEL, PAGE, tmp_path)
