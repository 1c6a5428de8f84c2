"""One call of a webhook: to the very address that was checked, by the name in its certificate, within a time limit."""

import contextlib
import http.client
import socket
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urljoin

from pilot.notices.addresses import Resolve, allowed_addresses, checked_url, resolve
from pilot.notices.errors import BadAnswer, NoConnection, RedirectNotTaken, TooManyRedirects, WebhookUrlNotTaken

MOST_REDIRECTS = 3
MOST_ADDRESSES = 4  # of a name that has more, the first: each may cost the whole wait for a connection
CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 15.0  # from the connection to the answer's head, however slowly it drips
_KEEPS_THE_CALL = (307, 308)  # the other redirects turn a POST into a GET without its body


@dataclass(frozen=True, slots=True)
class Caller:
    """How webhooks are called: whether into one's own network, who resolves names, whose certificates are trusted.

    No proxy is used: it would resolve the name again, behind our back.
    """

    allow_private: bool
    resolve: Resolve = resolve
    context: ssl.SSLContext = field(default_factory=ssl.create_default_context)
    answer_seconds: float = ANSWER_SECONDS

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        """Send ``body``, follow redirects (each address checked anew), and give the status, 200 to 299.

        Raises what is named in ``errors.NotDelivered``, and ``WebhookUrlNotTaken``.
        """
        parts = checked_url(url, allow_private=self.allow_private)
        for _ in range(MOST_REDIRECTS + 1):
            status, location = self._once(parts, body, headers)
            if status in _KEEPS_THE_CALL and location:
                parts = self._next(parts, location)
                continue
            if not 200 <= status < 300:
                raise BadAnswer(host=parts.hostname, status=status)
            return status
        raise TooManyRedirects(host=parts.hostname, most=MOST_REDIRECTS)

    def _next(self, parts: SplitResult, location: str) -> SplitResult:
        try:
            url = urljoin(parts.geturl(), location)
            return checked_url(url, allow_private=self.allow_private)
        except (WebhookUrlNotTaken, ValueError):
            raise RedirectNotTaken(host=parts.hostname, url=location[:200]) from None

    def _once(self, parts: SplitResult, body: bytes, headers: Mapping[str, str]) -> tuple[int, str | None]:
        host = str(parts.hostname)
        context = self.context if parts.scheme == "https" else None
        port = parts.port or (443 if context else 80)
        addresses = allowed_addresses(host, port, resolve=self.resolve, allow_private=self.allow_private)
        connection = _Pinned(host, port, addresses, context)
        watch = threading.Timer(self.answer_seconds, connection.cut)
        try:
            connection.reach()
            watch.start()
            connection.greet()
            target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection.request("POST", target, body, dict(headers))
            answer = connection.getresponse()
            return answer.status, answer.getheader("Location")
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise NoConnection(host=host, problem=_problem(error)) from None
        finally:
            watch.cancel()
            connection.close()


class _Pinned(http.client.HTTPConnection):
    """A connection to one of ``addresses``; ``host`` is only said, in the header and to TLS. It asks no resolver."""

    def __init__(self, host: str, port: int, addresses: list[str], context: ssl.SSLContext | None) -> None:
        super().__init__(host, port, timeout=CONNECT_SECONDS)
        self.default_port = 443 if context else 80
        self._addresses, self._context = addresses, context

    def reach(self) -> None:
        """Connect to the first address that answers."""
        for address in self._addresses[:MOST_ADDRESSES]:
            try:
                self.sock = socket.create_connection((address, self.port), CONNECT_SECONDS)
                break
            except OSError as error:
                last = error
        else:
            raise last
        if self._context is not None:
            self.sock = self._context.wrap_socket(self.sock, server_hostname=self.host, do_handshake_on_connect=False)

    def connect(self) -> None:
        """Never again: what was reached is what was checked."""
        raise ConnectionError("the connection has ended")

    def greet(self) -> None:
        """TLS, where there is any; after the watch has begun, for this too can drip."""
        if isinstance(self.sock, ssl.SSLSocket):
            self.sock.do_handshake()

    def cut(self) -> None:
        """End what takes too long: whoever waits for this connection sees it end."""
        reached = self.sock
        if reached is not None:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(reached, socket.SHUT_RDWR)  # of a TLS socket, too, without its farewell


def _problem(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    if isinstance(error, TimeoutError):
        return "timed out"
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__)[:200]
