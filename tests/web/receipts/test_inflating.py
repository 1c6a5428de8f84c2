"""Compressed bodies: whole, cut off, in many members; and that unpacking them stays in step with their length."""

import gzip
import json
import zlib
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from web.api import bodies


def test_a_body_of_countless_members_is_refused_before_they_are_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    work = Work(monkeypatch)
    nothing = gzip.compress(b"")
    with pytest.raises(bodies.TooManyMembers):
        bodies.inflated(nothing * (bodies.MOST_BYTES // len(nothing)))
    assert work.members == bodies.MOST_MEMBERS
    assert work.bytes_seen <= bodies.MOST_MEMBERS * bodies._PIECE


def test_members_up_to_the_limit_are_unpacked_wherever_pieces_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A member a receipt, empty ones between, and lengths that no piece is a multiple of."""
    lines = [json.dumps({"receipt": "r" * (n % 97)}).encode() + b"\n" for n in range(bodies.MOST_MEMBERS - 1)]
    packed = b"".join([*map(gzip.compress, lines), gzip.compress(b"")])
    for size in (bodies._PIECE, 1_000):
        monkeypatch.setattr(bodies, "_PIECE", size)
        work = Work(monkeypatch)
        assert bodies.inflated(packed) == b"".join(lines)
        assert (work.members, work.bytes_seen <= len(packed) + bodies.MOST_MEMBERS * size) == (len(lines) + 1, True)
    with pytest.raises(bodies.TooManyMembers):
        bodies.inflated(packed + gzip.compress(b""))


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=6), st.integers(1, 60), st.integers(0, 3))
def test_what_was_packed_comes_out_whole_and_what_was_cut_off_does_not(
    contents: list[bytes], piece: int, cut: int
) -> None:
    packed = b"".join(map(gzip.compress, contents))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bodies, "_PIECE", piece)
        assert bodies.inflated(packed) == b"".join(contents)
        for broken in (packed[: -1 - cut], packed + b"\0" * (cut + 1)):
            with pytest.raises(bodies.BodyNotGzip):
                bodies.inflated(broken)


class Work:
    """How many gzip members were begun, and how many bytes were handed to them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.members = self.bytes_seen = 0
        begin, work = zlib.decompressobj, self

        class Member:
            def __init__(self, **options: Any) -> None:
                self._member = begin(**options)
                work.members += 1

            def decompress(self, packed: Any, room: int) -> bytes:
                work.bytes_seen += len(packed)
                return self._member.decompress(packed, room)

            def __getattr__(self, name: str) -> Any:
                return getattr(self._member, name)

        monkeypatch.setattr(bodies, "zlib", SimpleNamespace(decompressobj=Member, error=zlib.error))
