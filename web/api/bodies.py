"""The body of a call: inflated within limits, parsed strictly, and of the form that the description gives.

What is wrong with the form is a mistake of the sending program and refuses the whole call, by name and place; what is
wrong with a receipt's content is said of that receipt alone.
"""

import json
import zlib
from collections.abc import Mapping, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
from flask import Request

from pilot.imports.reader import LINE_COLUMN
from pilot.imports.values import Count
from pilot.outcomes.receipt_rules import RECEIPTS
from pilot.words import N_, Message
from web.api.alike_bodies import alike_columns
from web.errors import BodyTooLarge, BodyUnreadable, MediaTypeNotTaken, WrongForm

MOST_RECEIPTS = 5_000
MOST_BYTES = 10_000_000  # after inflation: 5,000 receipts with every field at its longest
MOST_MEMBERS = MOST_RECEIPTS  # of gzip: one costs far more than its 20 bytes, and who packs each receipt has no more
_PIECE = 16_384
JSON, NDJSON = "application/json", "application/x-ndjson"
_FIELDS = frozenset(field.name for field in RECEIPTS.fields)
_COUNTS = frozenset(field.name for field in RECEIPTS.fields if isinstance(field.holds, Count))
_SHOWN = 60
_TYPES = {
    str: N_("a text"), bool: N_("true or false"), int: N_("a number"), float: N_("a number"), list: N_("a list"),
    dict: N_("an object"), type(None): N_("null"),
}  # fmt: skip


class BodyNotGzip(BodyUnreadable):
    code = "body_not_gzip"
    template = N_("The body is not whole gzip, though Content-Encoding says so. Compress it again and send it anew.")


class TooManyMembers(BodyUnreadable):
    code = "too_many_gzip_members"
    template = N_("The body has more than {most:,} gzip members. Compress it in one piece and send it anew.")


class BodyNotJson(BodyUnreadable):
    code = "body_not_json"
    template = N_(
        "The body is not JSON in UTF-8 at line {line}, column {column}: {problem}. Correct it and send again."
    )


class DoubledName(BodyUnreadable):
    code = "doubled_name"
    template = N_("{place} has the name “{name}” twice. Which value counts is not guessed: send it once.")


class TooManyReceipts(WrongForm):
    code = "too_many_receipts"
    template = N_("The call has {n:,} receipts; one takes up to {most:,}. Send them in several calls.")


class EncodingNotTaken(MediaTypeNotTaken):
    code = "encoding_not_taken"
    template = N_("The Content-Encoding “{given}” is not taken. Send the body as it is or with gzip.")


def read_body(request: Request) -> bytes:
    """The body as sent, inflated where it is compressed; never more than ``MOST_BYTES`` of it are made."""
    request.max_content_length = MOST_BYTES
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip"):
        raise EncodingNotTaken(given=encoding[:_SHOWN])
    body = request.get_data(cache=False)
    return inflated(body) if encoding == "gzip" else body


def inflated(body: bytes) -> bytes:
    """The content of gzip members; stops at the limits, however much the rest would be.

    The body is walked in pieces: of what follows a member, no more than the rest of a piece is copied for the next one.
    """
    walked, at, parts, room = memoryview(body), 0, list[bytes](), MOST_BYTES + 1
    for _ in range(MOST_MEMBERS):
        member = zlib.decompressobj(wbits=31)
        while not member.eof:
            piece = walked[at : at + _PIECE]
            if not piece:
                raise BodyNotGzip
            try:
                parts.append(member.decompress(piece, room))
            except zlib.error:
                raise BodyNotGzip from None
            room -= len(parts[-1])
            if room <= 0:
                raise BodyTooLarge(limit=MOST_BYTES)
            at += len(piece) - len(member.unused_data)
        if at == len(body):
            return b"".join(parts)
    raise TooManyMembers(most=MOST_MEMBERS)


def read_receipts(request: Request, body: bytes) -> pa.Table:
    """The receipts of ``body`` as texts by field (``line`` is the index): ``{"receipts": […]}``, or one a line."""
    kind, charset = request.mimetype, request.mimetype_params.get("charset", "utf-8")
    if kind not in (JSON, NDJSON) or charset.lower() not in ("utf-8", "utf8"):
        raise MediaTypeNotTaken(given=request.headers.get("Content-Type", "")[:_SHOWN])
    return receipts_in(body, kind)


def receipts_in(body: bytes, kind: str) -> pa.Table:
    """``read_receipts`` of a body that is known to be of ``kind``: ``JSON`` or ``NDJSON``; counts may be integers."""
    alike = alike_columns(body, _listed, _COUNTS) if kind == JSON else None
    if alike is not None and alike.keys() <= _FIELDS and (n := len(next(iter(alike.values())))) <= MOST_RECEIPTS:
        return _table(n, alike)
    receipts = _lines(body) if kind == NDJSON else _listed(body)
    if len(receipts) > MOST_RECEIPTS:
        raise TooManyReceipts(n=len(receipts), most=MOST_RECEIPTS)
    if not receipts:
        raise _wrong("receipts", Message("empty", N_("There is no receipt.")))
    texts = _columns(receipts)
    names = sum(map(len, receipts)) + (kind == JSON)
    n_texts = sum(len(receipts) - texts.column(name).null_count for name in _FIELDS - _COUNTS)
    # Without escapes every quotation mark belongs to a name or a text: one more, and a name came twice.
    if b"\\" in body or body.count(b'"') != 2 * (names + n_texts):
        _refuse_doubled_names(body.split(b"\n") if kind == NDJSON else [body])
    return texts


def _listed(body: bytes) -> list[Any]:
    parsed = _parsed(body, 1)
    if not isinstance(parsed, dict) or not isinstance(parsed.get("receipts"), list):
        raise _wrong("/", Message("no_receipts", N_('The body is not an object {{"receipts": […]}}.')))
    for name in parsed:
        if name != "receipts":
            raise _wrong("/", Message("unknown_name", N_("There is no field “{name}”."), {"name": name[:_SHOWN]}))
    found: list[Any] = parsed["receipts"]
    return found


def _lines(body: bytes) -> list[Any]:
    return [_parsed(line, number) for number, line in enumerate(body.split(b"\n"), 1) if line.strip(b" \t\r")]


def _parsed(text: bytes, line: int) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        problem = error.msg.partition(": line")[0][:120]
        raise BodyNotJson(line=line + error.lineno - 1, column=error.colno, problem=problem) from None


def _columns(receipts: list[Any]) -> pa.Table:
    """A column a field. Arrow takes nothing but texts, so a wrong type is found without looking at each value here."""
    try:
        names = set().union(*receipts)
        if names <= _FIELDS and set(map(type, receipts)) == {dict}:
            given = sorted(names)
            columns = dict(zip(given, _values(receipts, given), strict=True))
            for name in _COUNTS & names:
                columns[name] = _counts(columns[name])
            n = len(receipts)
            every = pa.array(list(chain.from_iterable(columns.values())), pa.string())  # one call, then cut in columns
            texts: dict[str, Any] = {name: every.slice(place * n, n) for place, name in enumerate(given)}
            return _table(n, texts)
    except (TypeError, pa.ArrowException):
        pass  # the search below names the place
    raise _first_wrong(receipts)


def _table(n: int, columns: Mapping[str, Any]) -> pa.Table:
    """With the index, and a column without values for each field that none has."""
    nothing = pa.nulls(n, pa.string())
    return pa.table(
        {LINE_COLUMN: pa.array(np.arange(n)), **dict.fromkeys(_FIELDS - columns.keys(), nothing), **columns}
    )


def _values(receipts: list[dict[str, Any]], names: list[str]) -> list[Sequence[Any]]:
    """The values of each name, None where a receipt has none; usually all receipts have the same names."""
    if len(names) > 1 and set(map(len, receipts)) == {len(names)}:
        return list(zip(*map(itemgetter(*names), receipts), strict=True))
    return [[receipt.get(name) for receipt in receipts] for name in names]


def _counts(values: Sequence[Any]) -> list[Any]:
    """Whole numbers as texts; ``3.0`` is one too."""
    if set(map(type, values)) <= {int, type(None)}:
        return [None if value is None else str(value) for value in values]
    if not all(value is None or _is_whole(value) for value in values):
        raise TypeError
    return [None if value is None else str(int(value)) for value in values]


def _first_wrong(receipts: Sequence[Any]) -> WrongForm:
    """The first thing in ``receipts`` that does not have the form of flat objects of our fields."""
    for index, receipt in enumerate(receipts):
        if type(receipt) is not dict:
            return _wrong(f"receipts/{index}", _is(receipt, N_("It is {found}, not an object.")))
        for name, value in receipt.items():
            place = f"receipts/{index}/{name[:_SHOWN]}"
            if name not in _FIELDS:
                return _wrong(place, Message("unknown_name", N_("There is no such field.")))
            is_count = name in _COUNTS
            if value is not None and not (_is_whole(value) if is_count else type(value) is str):
                template = N_("It is {found}, not a whole number.") if is_count else N_("It is {found}, not a text.")
                return _wrong(place, _is(value, template))
    raise AssertionError("every receipt has the form")


def _is_whole(value: Any) -> bool:
    return type(value) is int or (type(value) is float and value.is_integer())


def _is(value: Any, template: str) -> Message:
    return Message("wrong_type", template, {"found": Message("type", _TYPES[type(value)])})


def _wrong(place: str, problem: Message) -> WrongForm:
    return WrongForm(place=place, problem=problem)


def _refuse_doubled_names(texts: Sequence[bytes]) -> None:
    """Exact and slow: for bodies with escapes, and to name what the count found."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            seen: set[str] = set()
            name = next(name for name, _ in pairs if name in seen or seen.add(name))
            raise DoubledName(place=str(found.get("receipt", "…"))[:_SHOWN], name=name[:_SHOWN])
        return found

    for text in texts:
        if text.strip():
            json.loads(text, object_pairs_hook=once)
