"""Mail: a letter in its reader's language as text and HTML, and the two ways out: a mail server, or standard error."""

import smtplib
import ssl
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from functools import partial
from html import escape
from pathlib import Path
from typing import Protocol
from urllib.parse import parse_qs, unquote, urlsplit

from pilot.notices.errors import MailboxRefused, MailServerFailed, MailUrlWrong
from pilot.notices.kinds import CHOICES, TITLES, NoticeKind
from pilot.notices.letters import Letter, Line
from pilot.notices.model import Delivery
from pilot.notices.preferences import unsubscribe_token
from pilot.settings import Settings
from pilot.words import N_, Message, speaking, translate

TIMEOUT_SECONDS = 20.0
DEMO_FILE = "mail.txt"
_WHY = Message("mail_why", N_("You get this from Pilot because of your work on it: {kind}."))
_OFF = Message("mail_off", N_("Get no more mail of this kind"))


class Addressee(Protocol):
    """Who a mail is for; users satisfy this."""

    @property
    def id(self) -> int: ...
    @property
    def email(self) -> str: ...
    @property
    def language(self) -> str: ...


class Mailer(Protocol):
    """What takes a mail away. Raises what is named in ``errors.NotDelivered``."""

    def send(self, mail: EmailMessage) -> None: ...


def compose(settings: Settings, delivery: Delivery, to: Addressee, *, now: datetime) -> EmailMessage:
    """The delivery's letter as a mail to ``to``, in that person's language. No picture, nothing that reports back.

    Its Message-ID is the delivery's code, the same at every attempt: mail programs show a repetition once.
    """
    letter, kind = Letter.from_document(delivery.document), NoticeKind(delivery.kind)
    base = settings.public_url.rstrip("/")
    mail = EmailMessage(policy=SMTP)
    off = f"{base}/unsubscribe/{unsubscribe_token(settings, to.id, kind)}" if kind in CHOICES else ""
    language = to.language or settings.language
    with speaking(language):
        mail["Subject"] = " ".join(translate(letter.subject).split())
        mail.set_content(_text(letter, kind, base, off))
        mail.add_alternative(_html(letter, kind, base, off, language), subtype="html")
    mail["From"], mail["To"] = settings.mail_from, to.email
    mail["Date"] = format_datetime(now)
    mail["Message-ID"] = f"<{delivery.code}@{urlsplit(base).hostname or 'localhost'}>"
    mail["Auto-Submitted"] = "auto-generated"
    if off:
        mail["List-Unsubscribe"] = f"<{off}>"
        if off.startswith("https://"):
            mail["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    return mail


def make_mailer(settings: Settings) -> Mailer:
    """The way out that ``PILOT_MAIL_URL`` names; ``MailUrlWrong``.

    A demonstration's people are made up, and its story writes many mails at once: they go to a file in its home.
    """
    if settings.mail_url.startswith("console:"):
        return ConsoleMailer(partial(_append, settings.home / DEMO_FILE)) if settings.demo else ConsoleMailer()
    return smtp_mailer(settings.mail_url)


@dataclass(frozen=True, slots=True)
class ConsoleMailer:
    """Mail as text on standard error: for trying things out, where there is no mail server."""

    write: Callable[[str], object] = lambda text: sys.stderr.write(text)

    def send(self, mail: EmailMessage) -> None:
        said = mail.get_body(("plain",))
        text = said.get_content() if said is not None else ""
        self.write(f"To: {mail['To']}\nSubject: {mail['Subject']}\n\n{text}\n")


@dataclass(frozen=True, slots=True)
class SmtpMailer:
    """A mail server. ``starttls``: from a plain connection to TLS before anything is said; ``tls``: TLS at once."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    starttls: bool
    tls: bool
    context: ssl.SSLContext = field(default_factory=ssl.create_default_context)

    def send(self, mail: EmailMessage) -> None:
        try:
            with self._connect() as server:
                if self.starttls:
                    server.starttls(context=self.context)
                if self.user:
                    server.login(self.user, self.password)
                server.send_message(mail)
        except smtplib.SMTPRecipientsRefused as error:
            status, said = next(iter(error.recipients.values()))
            refusal = MailboxRefused if 500 <= status < 600 else MailServerFailed
            raise refusal(host=self.host, problem=f"{status} {_plain(said)}") from None
        except smtplib.SMTPResponseException as error:
            raise MailServerFailed(host=self.host, problem=f"{error.smtp_code} {_plain(error.smtp_error)}") from None
        except (OSError, smtplib.SMTPException, UnicodeError) as error:
            raise MailServerFailed(host=self.host, problem=(str(error) or type(error).__name__)[:200]) from None

    def _connect(self) -> smtplib.SMTP:
        if self.tls:
            return smtplib.SMTP_SSL(self.host, self.port, timeout=TIMEOUT_SECONDS, context=self.context)
        return smtplib.SMTP(self.host, self.port, timeout=TIMEOUT_SECONDS)


def smtp_mailer(url: str, context: ssl.SSLContext | None = None) -> SmtpMailer:
    """The server that ``smtp://user:password@host:587`` (STARTTLS) or ``smtps://…`` (TLS at once) names.

    ``?starttls=no`` is for a server on this machine; a password is never sent in the clear. ``MailUrlWrong``.
    """
    with suppress(ValueError):
        parts = urlsplit(url)
        options, tls = parse_qs(parts.query), parts.scheme == "smtps"
        starttls = not tls and options.get("starttls", ["yes"]) != ["no"]
        in_clear = bool(parts.username) and not (tls or starttls)
        if parts.scheme in ("smtp", "smtps") and parts.hostname and not in_clear:
            port = parts.port or (465 if tls else 587 if starttls else 25)
            given = (unquote(parts.username or ""), unquote(parts.password or ""))
            trusted = context or ssl.create_default_context()
            return SmtpMailer(parts.hostname, port, *given, starttls=starttls, tls=tls, context=trusted)
    raise MailUrlWrong()


def mail_server(settings: Settings) -> str | None:
    """Host and port of the mail server, for administrators; None: mail goes to standard error. ``MailUrlWrong``."""
    mailer = make_mailer(settings)
    return f"{mailer.host}:{mailer.port}" if isinstance(mailer, SmtpMailer) else None


def _text(letter: Letter, kind: NoticeKind, base: str, off: str) -> str:
    rows: list[str] = []
    for part in letter.parts:
        if part.heading is not None:
            rows += [translate(part.heading).upper(), ""]
        for line in part.lines:
            rows += [translate(line.message), *([base + line.link] if line.link else []), ""]
    rows += ["-- ", _why(kind), *([f"{translate(_OFF)}: {off}"] if off else [])]
    return "\n".join(rows) + "\n"


def _html(letter: Letter, kind: NoticeKind, base: str, off: str, language: str) -> str:
    rows = []
    for part in letter.parts:
        if part.heading is not None:
            rows.append(f"<h2>{escape(translate(part.heading))}</h2>")
        rows += [f"<p>{_linked(line, base)}</p>" for line in part.lines]
    end = escape(_why(kind)) + (f'<br><a href="{escape(off)}">{escape(translate(_OFF))}</a>' if off else "")
    body = "\n".join((*rows, f"<hr><p><small>{end}</small></p>"))
    return f'<!doctype html>\n<html lang="{escape(language)}"><body>\n{body}\n</body></html>\n'


def _linked(line: Line, base: str) -> str:
    said = escape(translate(line.message)).replace("\n", "<br>")
    return f'{said}<br><a href="{escape(base + line.link)}">{escape(base + line.link)}</a>' if line.link else said


def _why(kind: NoticeKind) -> str:
    return translate(Message(_WHY.code, _WHY.template, {"kind": TITLES[kind]}))


def _append(file: Path, text: str) -> None:
    with file.open("a", encoding="utf-8") as opened:
        opened.write(text)


def _plain(said: bytes | str) -> str:
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    return " ".join(text.split())[:200]
