"""What receives in tests: a mail server and a web server on the loopback, a certificate, and a clock to set."""

import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HOST = "hooks.example.org"


@dataclass(slots=True)
class Clock:
    """An instant that a test moves."""

    at: datetime = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at

    def passes(self, by: timedelta) -> None:
        self.at += by


@dataclass(slots=True)
class MailSink:
    """A mail server that keeps what it is given. ``refuses`` answers RCPT with 550, ``is_busy`` with 450."""

    port: int = 0
    mails: list[EmailMessage] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    refuses: bool = False
    is_busy: bool = False
    context: ssl.SSLContext | None = None


class _Smtp(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        with suppress(OSError):  # a client that does not trust us hangs up
            self._converse()

    def finish(self) -> None:
        super().finish()
        self.request.close()  # after STARTTLS it is not the socket that the server knows

    def _converse(self) -> None:
        sink: MailSink = self.server.sink  # type: ignore[attr-defined] # put there below
        self._answer("220 sink")
        while line := self.rfile.readline().decode().strip():
            verb = line.split()[0].upper()
            sink.said.append(verb)
            if verb == "EHLO":
                self._answer("250-sink\r\n250-AUTH PLAIN\r\n250 STARTTLS" if sink.context else "250 sink")
            elif verb == "STARTTLS" and sink.context:
                self._answer("220 go on")
                self.request = sink.context.wrap_socket(self.request, server_side=True)
                self.rfile, self.wfile = self.request.makefile("rb"), self.request.makefile("wb", 0)
            elif verb == "RCPT" and (sink.refuses or sink.is_busy):
                self._answer("550 no such mailbox" if sink.refuses else "450 try later")
            elif verb == "AUTH":
                self._answer("235 welcome")
            elif verb == "DATA":
                self._answer("354 go on")
                lines = []
                while (row := self.rfile.readline()) != b".\r\n":
                    lines.append(row.removeprefix(b".") if row.startswith(b"..") else row)
                sink.mails.append(cast("EmailMessage", message_from_bytes(b"".join(lines), policy=default)))
                self._answer("250 kept")
            elif verb == "QUIT":
                self._answer("221 bye")
                return
            else:
                self._answer("250 ok")

    def _answer(self, text: str) -> None:
        self.wfile.write(text.encode() + b"\r\n")


@contextmanager
def mail_sink(context: ssl.SSLContext | None = None) -> Iterator[MailSink]:
    """A mail server for the block; with ``context`` it offers STARTTLS."""
    sink = MailSink(context=context)
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Smtp) as server:
        server.daemon_threads = True
        server.sink = sink  # type: ignore[attr-defined] # read above
        sink.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield sink
        server.shutdown()
        thread.join()


@dataclass(slots=True)
class Receiver:
    """A web server that keeps the calls it gets. ``answers`` are used up one by one; then it answers 204."""

    port: int = 0
    calls: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    drips: bool = False


class _Http(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        receiver: Receiver = self.server.receiver  # type: ignore[attr-defined] # put there below
        body = self.rfile.read(int(self.headers["Content-Length"]))
        receiver.calls.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
        if receiver.drips:
            while self.server.is_open:  # type: ignore[attr-defined] # put there below
                try:
                    self.wfile.write(b"H")
                except OSError:
                    return
                threading.Event().wait(0.05)
            return
        status, headers = receiver.answers.pop(0) if receiver.answers else (204, {})
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name in the base class
        """Nothing: a line a call is not what a failed test needs."""


@contextmanager
def receiver(context: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    """A web server for the block; over TLS with ``context``."""
    kept = Receiver()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Http)
    server.receiver, server.is_open = kept, True  # type: ignore[attr-defined] # read above
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign] # a refused handshake is what some tests want
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    kept.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield kept
    server.is_open = False  # type: ignore[attr-defined] # read above
    server.shutdown()
    thread.join()
    server.server_close()


def certificate(folder: Path, host: str = HOST) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context with a certificate for ``host``, and a client's that trusts exactly this one."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    today = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "certificate.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(file)
    return server, ssl.create_default_context(cadata=made.public_bytes(serialization.Encoding.PEM).decode())
