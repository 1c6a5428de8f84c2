"""What tills ask unclearly is refused in words: a name twice, other bytes than UTF-8, bodies that are no questions."""

import pytest
from flask.testing import FlaskClient

from pilot.words import Message
from web.api.questions import OF_ONE, parameters

BATCH, ONE = "/api/v1/assignments:batch", "/api/v1/assignments"


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("store=S01&store=S03", "“store” stands twice in the address. Which value counts is not guessed: send it "
         "once."),
        ("store=S01&shop=1", "There is no parameter “shop”; there are: store, customer, card."),
        ("store=S01&customer=%ff", "The address is not percent-encoded UTF-8. Correct it and send again."),
        ("store=S01&customer=\xff", "The address is not percent-encoded UTF-8. Correct it and send again."),
        ("store=S01&customer=%00", "“customer” is a text of 1 to 120 characters without control characters."),
        ("store=S01&phone=1", "“phone” does not belong into an address, which ends up in logs: ask by POST "
         "/api/v1/assignments:batch."),
    ],
)  # fmt: skip
def test_an_address_that_asks_unclearly_is_refused_in_words(
    client: FlaskClient, secret: str, query: str, words: str
) -> None:
    headers = {"Authorization": f"Bearer {secret}"}
    for _ in range(2):  # before and after the short cut knows the key
        answer = client.get(ONE, environ_overrides={"QUERY_STRING": query}, headers=headers)
        assert (answer.status_code, answer.content_type) == (422, "application/problem+json")
        assert answer.json["title"] == words


def test_an_address_is_utf_8_encoded_by_percent_signs_or_not() -> None:
    raw = "customer=" + "Päivi".encode().decode("latin-1")
    assert parameters("customer=P%C3%A4ivi", OF_ONE) == parameters(raw, OF_ONE) == {"customer": "Päivi"}
    assert isinstance(parameters("customer=Päivi", OF_ONE), Message)


def test_bytes_that_are_no_address_are_refused_on_pages_too(client: FlaskClient) -> None:
    assert client.get("/sign-in", environ_overrides={"QUERY_STRING": "next=\xff"}).status_code == 422


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b'{"questions": []}', 422, "There is no question."),
        (b'{"questions": [' + b"{}," * 1_000 + b"{}]}", 422, "There are 1,001 questions; one call takes up to 1,000."),
        (b'{"asked": []}', 422, 'The body is not an object {"questions": […]} and nothing more.'),
        (b'{"questions": [{"store": "a", "store": "b"}]}', 400, "An object of the body has the name “store” twice."),
        (b'{"questions": [\n{"store"]}', 400, "The body is not JSON in UTF-8 at line 2, column 9: "),
        (b"[" * 100_000, 400, "The call cannot be read."),
        (b"\xff\xfe", 400, "The call cannot be read."),
        (b" " * 2_000_001, 413, "The body is larger than 2,000,000 bytes. Ask fewer questions in a call."),
    ],
)  # fmt: skip
def test_a_body_that_asks_unclearly_is_refused_in_words(
    client: FlaskClient, secret: str, body: bytes, status: int, words: str
) -> None:
    headers = {"Authorization": f"Bearer {secret}"}
    answer = client.post(BATCH, data=body, headers=headers, content_type="application/json")
    assert (answer.status_code, answer.content_type) == (status, "application/problem+json")
    assert answer.json["title"].startswith(words)
