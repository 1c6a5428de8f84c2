"""A call goes to the address that was checked and nowhere else: real servers, and a resolver that tells stories."""

import ssl
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from pilot.notices.calling import MOST_REDIRECTS, Caller
from pilot.notices.errors import (
    AddressNotPublic,
    BadAnswer,
    NoConnection,
    RedirectNotTaken,
    TooManyRedirects,
    WebhookUrlNotTaken,
)
from tests.pilot.notices.receivers import HOST, Receiver, certificate, receiver

pytestmark = pytest.mark.enable_socket  # servers on the loopback


class Resolver:
    """Answers from a list, one a question; the last one again and again. It remembers what it was asked."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers, self.asked = list(answers), list[tuple[str, int]]()

    def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append((host, port))
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def here(*_: object) -> list[str]:
    return ["127.0.0.1"]


def inside(resolve: object = here, **more: object) -> Caller:
    return Caller(allow_private=True, resolve=resolve, **more)  # type: ignore[arg-type] # as each test wants


def url(found: Receiver, path: str = "/hook", scheme: str = "http") -> str:
    return f"{scheme}://{HOST}:{found.port}{path}"


def test_a_call_reaches_the_receiver_with_its_body_headers_and_host() -> None:
    with receiver() as found:
        assert inside().post(url(found, "/hook?a=1"), b'{"x":1}', {"webhook-id": "msg_1"}) == 204
    ((path, headers, body),) = found.calls
    assert (path, body) == ("/hook?a=1", b'{"x":1}')
    assert (headers["host"], headers["webhook-id"]) == (f"{HOST}:{found.port}", "msg_1")


def test_an_address_in_ones_own_network_is_refused_without_a_connection() -> None:
    with receiver() as found, pytest.raises(AddressNotPublic, match=r"127\.0\.0\.1"):
        Caller(allow_private=False, resolve=here).post(url(found, scheme="https"), b"", {})
    assert found.calls == []


def test_a_name_that_changes_its_address_after_the_check_is_not_asked_again() -> None:
    """DNS rebinding: the first answer is checked and used; the second, which would lead elsewhere, is never heard."""
    resolver = Resolver(["127.0.0.1"], ["203.0.113.9"])
    with receiver() as found:
        inside(resolver).post(url(found), b"", {})
    assert len(found.calls) == 1
    assert resolver.asked == [(HOST, found.port)]


def test_a_name_that_was_public_yesterday_is_checked_at_every_call() -> None:
    resolver = Resolver(["10.0.0.1"])
    for _ in range(2):
        with pytest.raises(AddressNotPublic):
            Caller(allow_private=False, resolve=resolver).post(f"https://{HOST}/", b"", {})
    assert len(resolver.asked) == 2


def test_a_redirect_into_ones_own_network_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first host is taken for public (as its address would be outside of a test); the second is what it is."""
    monkeypatch.setattr("pilot.notices.addresses.is_public", lambda address: address == "127.0.0.1")
    addresses = {HOST: ["127.0.0.1"], "metadata.example.org": ["169.254.169.254"]}
    caller = Caller(allow_private=False, resolve=lambda host, _port: addresses[host])
    with receiver() as found:
        found.answers = [(307, {"Location": "https://metadata.example.org/latest"})]
        monkeypatch.setattr("pilot.notices.calling.checked_url", _takes_http)
        with pytest.raises(AddressNotPublic, match=r"metadata\.example\.org leads to 169\.254\.169\.254"):
            caller.post(url(found), b"", {})
    assert len(found.calls) == 1


def test_a_redirect_is_followed_with_the_same_body() -> None:
    with receiver() as found:
        found.answers = [(308, {"Location": "/moved"}), (307, {"Location": url(found, "/again")})]
        assert inside().post(url(found), b"body", {"webhook-id": "msg_1"}) == 204
    assert [(path, body) for path, _, body in found.calls] == [
        ("/hook", b"body"),
        ("/moved", b"body"),
        ("/again", b"body"),
    ]
    assert {headers["webhook-id"] for _, headers, _ in found.calls} == {"msg_1"}


def test_a_circle_of_redirects_ends() -> None:
    with receiver() as found:
        found.answers = [(307, {"Location": "/hook"})] * 20
        with pytest.raises(TooManyRedirects):
            inside().post(url(found), b"", {})
    assert len(found.calls) == MOST_REDIRECTS + 1


@pytest.mark.parametrize(
    "location", ["file:///etc/passwd", "gopher://x/", "https://user:pw@h.example.org/", "https://["]
)
def test_a_redirect_to_what_cannot_be_called_is_refused(location: str) -> None:
    with receiver() as found:
        found.answers = [(307, {"Location": location})]
        with pytest.raises(RedirectNotTaken):
            inside().post(url(found), b"", {})


def test_a_redirect_from_https_to_http_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server, client = certificate(tmp_path)
    monkeypatch.setattr("pilot.notices.addresses.is_public", lambda _: True)
    with receiver(server) as found:
        found.answers = [(307, {"Location": "http://hooks.example.org/"})]
        with pytest.raises(RedirectNotTaken):
            Caller(allow_private=False, resolve=here, context=client).post(url(found, scheme="https"), b"", {})


@pytest.mark.parametrize("status", [200, 299])
def test_an_answer_of_200_to_299_is_taken(status: int) -> None:
    with receiver() as found:
        found.answers = [(status, {"Content-Length": "0"})]
        assert inside().post(url(found), b"", {}) == status


@pytest.mark.parametrize("status", [301, 302, 303, 400, 404, 410, 500, 503])
def test_any_other_answer_is_a_failure_that_is_tried_again(status: int) -> None:
    with receiver() as found:
        found.answers = [(status, {"Location": "/elsewhere", "Content-Length": "0"})]
        with pytest.raises(BadAnswer, match=str(status)) as failed:
            inside().post(url(found), b"", {})
    assert not failed.value.is_final
    assert len(found.calls) == 1


def test_the_certificate_must_be_for_the_host_that_was_named(tmp_path: Path) -> None:
    server, client = certificate(tmp_path)
    with receiver(server) as found:
        caller = inside(context=client)
        assert caller.post(url(found, scheme="https"), b"", {}) == 204
        with pytest.raises(NoConnection, match=r"[Hh]ostname"):
            caller.post(f"https://other.example.org:{found.port}/", b"", {})
    assert len(found.calls) == 1


def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    server, _ = certificate(tmp_path)
    with receiver(server) as found, pytest.raises(NoConnection, match="self-signed"):
        inside(context=ssl.create_default_context()).post(url(found, scheme="https"), b"", {})


def test_a_receiver_that_drips_its_answer_is_cut_off() -> None:
    with receiver() as found:
        found.drips = True
        started = time.monotonic()
        with pytest.raises(NoConnection):
            inside(answer_seconds=0.5).post(url(found), b"", {})
        assert time.monotonic() - started < 4.0


def test_nobody_at_the_address_is_a_failure_with_its_reason() -> None:
    with receiver() as found:
        gone = url(found)
    with pytest.raises(NoConnection, match="refused"):
        inside().post(gone, b"", {})


def test_of_a_name_with_many_dead_addresses_only_the_first_few_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []

    def black_hole(address: tuple[str, int], _timeout: float) -> None:
        tried.append(address[0])
        raise TimeoutError

    monkeypatch.setattr("pilot.notices.calling.socket.create_connection", black_hole)
    many = [f"10.0.0.{number}" for number in range(1, 201)]
    with pytest.raises(NoConnection, match="timed out"):
        inside(lambda *_: many).post(f"http://{HOST}/", b"", {})
    assert tried == many[:4]


def test_the_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with receiver() as found:
        assert inside().post(url(found), b"", {}) == 204


def test_plain_http_is_refused_outside_of_ones_own_network() -> None:
    with pytest.raises(WebhookUrlNotTaken):
        Caller(allow_private=False, resolve=here).post(f"http://{HOST}/", b"", {})


def _takes_http(address: str, *, allow_private: bool) -> object:
    from pilot.notices.addresses import checked_url

    return checked_url(address, allow_private=True)
