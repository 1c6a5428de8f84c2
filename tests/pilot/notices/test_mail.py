"""Mail: in the reader's language, as text and HTML, to a real mail server, with a link that turns it off."""

import re
import ssl
from collections.abc import Iterator
from datetime import datetime
from email.message import EmailMessage
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from pydantic import ValidationError
from sqlalchemy.orm import Session

from pilot import words
from pilot.access.model import Role, User
from pilot.notices import mail
from pilot.notices.errors import MailboxRefused, MailServerFailed, MailUrlWrong
from pilot.notices.kinds import NoticeKind
from pilot.notices.letters import Letter, Line, Part
from pilot.notices.model import Delivery
from pilot.notices.outbox import letter_of, post_letter
from pilot.notices.preferences import read_unsubscribe_token
from pilot.settings import Settings
from pilot.words import Message
from tests import pseudo
from tests.builders import a_user
from tests.pilot.notices.receivers import certificate, mail_sink

pytestmark = pytest.mark.enable_socket  # a mail server on the loopback
READY = Message("report_ready", "The report of “{pilot}” is ready.", {"pilot": "Points <card> & more"})


@pytest.fixture
def anna(session: Session) -> User:
    return a_user(session, Role.EXECUTIVE, email="anna@example.org")


def posted(session: Session, to: User, now: datetime, letter: Letter | None = None) -> Delivery:
    kind = NoticeKind.GATE_REACHED
    return post_letter(
        session, user_id=to.id, kind=kind, letter=letter or letter_of(kind, READY, "/pilots/points"), at=now
    )


def composed(
    session: Session, to: User, now: datetime, letter: Letter | None = None, **changes: object
) -> EmailMessage:
    settings: Settings = session.info["settings"].model_copy(update=changes)
    return mail.compose(settings, posted(session, to, now, letter), to, now=now)


def text_of(found: EmailMessage, kind: str = "plain") -> str:
    part = found.get_body((kind,))
    assert part is not None
    return str(part.get_content())


def test_a_mail_says_what_happened_where_and_how_to_get_no_more(session: Session, anna: User, now: datetime) -> None:
    found = composed(session, anna, now, public_url="https://pilot.example.org/")
    assert (found["Subject"], found["To"]) == ("Gate reached: Points <card> & more", "anna@example.org")
    text = text_of(found)
    assert "The report of “Points <card> & more” is ready." in text
    assert "https://pilot.example.org/pilots/points\n" in text
    (off,) = re.findall(r"https://pilot\.example\.org/unsubscribe/(\S+)", text)
    assert read_unsubscribe_token(session.info["settings"], off) == (anna.id, NoticeKind.GATE_REACHED)
    assert found["List-Unsubscribe"] == f"<https://pilot.example.org/unsubscribe/{off}>"
    assert found["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


def test_the_html_says_the_same_escaped_and_loads_nothing(session: Session, anna: User, now: datetime) -> None:
    html = text_of(composed(session, anna, now), "html")
    assert "Points &lt;card&gt; &amp; more" in html
    assert not re.search(r"<(img|script|link|iframe|style)|url\(|src=", html)


def test_one_click_is_offered_over_https_only(session: Session, anna: User, now: datetime) -> None:
    assert composed(session, anna, now, public_url="http://10.0.0.5:8000")["List-Unsubscribe-Post"] is None


def test_a_name_with_a_line_break_starts_no_header_of_its_own(session: Session, anna: User, now: datetime) -> None:
    evil = Message("x", "{pilot}", {"pilot": "Points\r\nBcc: everybody@example.org"})
    found = composed(session, anna, now, letter_of(NoticeKind.GATE_REACHED, evil, ""))
    assert found["Bcc"] is None
    assert found["Subject"] == "Gate reached: Points Bcc: everybody@example.org"


@pytest.fixture
def wide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A language with two texts."""
    catalogue = Catalog("fi", domain=words.DOMAIN)
    for text in ("Gate reached", "Get no more mail of this kind"):
        catalogue.add(text, pseudo.widened(text))
    place = tmp_path / "fi" / "LC_MESSAGES"
    place.mkdir(parents=True)
    with (place / f"{words.DOMAIN}.mo").open("wb") as file:
        write_mo(file, catalogue)
    monkeypatch.setattr(words, "TRANSLATIONS", tmp_path)
    words._catalogue.cache_clear()
    yield "fi"
    words._catalogue.cache_clear()


def test_the_reader_decides_the_language_and_the_installation_where_they_did_not(
    session: Session, anna: User, now: datetime, wide: str
) -> None:
    for own, installed in ((wide, "en"), ("", wide)):
        anna.language = own
        found = composed(session, anna, now, language=installed)
        assert pseudo.widened("Gate reached") in found["Subject"]
        html = text_of(found, "html")
        assert '<html lang="fi">' in html
        assert pseudo.widened("Get no more mail of this kind") in html
    anna.language = "en"
    assert "Gate reached" in composed(session, anna, now, language=wide)["Subject"]


def test_a_letter_survives_being_stored() -> None:
    letter = Letter(READY, (Part((Line(READY, "/x"), Line(READY)), READY), Part(())))
    assert Letter.from_document(letter.to_document()) == letter


def test_the_mail_server_gets_the_mail_and_the_same_message_id_every_time(
    session: Session, anna: User, now: datetime
) -> None:
    settings, delivery = session.info["settings"], posted(session, anna, now)
    with mail_sink() as sink:
        mailer = mail.smtp_mailer(f"smtp://127.0.0.1:{sink.port}?starttls=no")
        for _ in range(2):
            mailer.send(mail.compose(settings, delivery, anna, now=now))
    first, second = sink.mails
    assert first["Message-ID"] == second["Message-ID"] == f"<{delivery.code}@127.0.0.1>"
    assert "The report of “Points <card> & more” is ready." in text_of(first)


def test_a_password_travels_only_after_tls_and_to_the_server_that_was_named(
    session: Session, anna: User, now: datetime, tmp_path: Path
) -> None:
    server, client = certificate(tmp_path, "localhost")
    letter = composed(session, anna, now)
    with mail_sink(server) as sink:
        mail.smtp_mailer(f"smtp://anna:pw@localhost:{sink.port}", client).send(letter)
        assert sink.said[:4] == ["EHLO", "STARTTLS", "EHLO", "AUTH"]
        sink.said.clear()
        with pytest.raises(MailServerFailed):
            mail.smtp_mailer(f"smtp://anna:pw@localhost:{sink.port}", ssl.create_default_context()).send(letter)
        assert "AUTH" not in sink.said
    with mail_sink() as plain:
        with pytest.raises(MailServerFailed, match="STARTTLS"):
            mail.smtp_mailer(f"smtp://anna:pw@127.0.0.1:{plain.port}").send(letter)
        assert "AUTH" not in plain.said
        assert plain.mails == []


def test_a_mailbox_that_is_not_there_is_final_and_a_busy_server_is_not(
    session: Session, anna: User, now: datetime
) -> None:
    letter = composed(session, anna, now)
    with mail_sink() as sink:
        mailer = mail.smtp_mailer(f"smtp://127.0.0.1:{sink.port}?starttls=no")
        sink.refuses = True
        with pytest.raises(MailboxRefused, match="550 no such mailbox") as refused:
            mailer.send(letter)
        assert refused.value.is_final
        sink.refuses, sink.is_busy = False, True
        with pytest.raises(MailServerFailed, match="450") as busy:
            mailer.send(letter)
        assert not busy.value.is_final
    with pytest.raises(MailServerFailed, match=r"127\.0\.0\.1"):
        mailer.send(letter)  # nobody listens any more


@pytest.mark.parametrize(
    ("url", "where", "starttls", "tls"),
    [
        ("smtp://mail.example.org", ("mail.example.org", 587, "", ""), True, False),
        ("smtp://u%40x:p%3Aw@mail.example.org:2525", ("mail.example.org", 2525, "u@x", "p:w"), True, False),
        ("smtps://u:p@mail.example.org", ("mail.example.org", 465, "u", "p"), False, True),
        ("smtp://localhost?starttls=no", ("localhost", 25, "", ""), False, False),
    ],
)
def test_the_setting_names_server_port_person_and_protection(
    url: str, where: tuple[str, int, str, str], starttls: bool, tls: bool
) -> None:
    found = mail.smtp_mailer(url)
    assert (found.host, found.port, found.user, found.password) == where
    assert (found.starttls, found.tls) == (starttls, tls)
    assert "p:w" not in repr(found)


@pytest.mark.parametrize("url", ["smtp://u:p@localhost?starttls=no", "smtp://", "smtp://host:port", "smtp://[x"])
def test_a_setting_that_cannot_be_right_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(MailUrlWrong) as refused:
        mail.smtp_mailer(url)
    assert "u:p" not in str(refused.value)


def test_without_a_mail_server_mail_is_written_to_standard_error(
    session: Session, anna: User, now: datetime, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = session.info["settings"]
    assert mail.mail_server(settings) is None
    mail.make_mailer(settings).send(composed(session, anna, now))
    said = capsys.readouterr().err
    assert said.startswith("To: anna@example.org\nSubject: Gate reached")
    assert "is ready." in said


def test_the_mail_of_a_demonstration_goes_to_a_file_in_its_home(
    session: Session, anna: User, now: datetime, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = session.info["settings"].model_copy(update={"demo": True})
    for _ in range(2):
        mail.make_mailer(settings).send(composed(session, anna, now))
    assert (settings.home / mail.DEMO_FILE).read_text("utf-8").count("To: anna@example.org") == 2
    assert capsys.readouterr().err == ""


def test_settings_take_no_other_kind_of_mail() -> None:
    with pytest.raises(ValidationError):
        Settings(mail_url="sendmail:/usr/sbin/sendmail")
