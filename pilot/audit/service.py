"""Record a change of state, read the sealed head, verify the whole log."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from pilot.audit.model import AuditEntry, AuditHead
from pilot.audit.seal import KEY_NAME, is_sealed, seal
from pilot.canonical import canonical_text, sha256_hex
from pilot.database import settings_of
from pilot.errors import Refused
from pilot.keys import read_key, read_or_make_key
from pilot.words import N_, Message

GENESIS = "0" * 64
_ADVISORY_LOCK = 7_162_004  # any constant: one lock for one chain


class NotAHead(Refused):
    code = "not_an_audit_head"
    template = N_("“{text}” is not an audit head. A head is printed in every frozen report as count:hash:seal.")


@dataclass(frozen=True, slots=True)
class Head:
    """The number of entries, the last hash and the seal over both; as text ``count:hash:seal``."""

    count: int
    hash: str
    seal: str

    def __str__(self) -> str:
        return f"{self.count}:{self.hash}:{self.seal}"

    @classmethod
    def parse(cls, printed: str) -> "Head":
        parts = printed.strip().split(":")
        if len(parts) != 3 or not parts[0].isdigit() or len(parts[1]) != 64 or len(parts[2]) != 64:
            raise NotAHead(text=printed[:80])
        return cls(int(parts[0]), parts[1], parts[2])


@dataclass(frozen=True, slots=True)
class Verification:
    """What ``verify`` found: nothing wrong (``ok``), or each thing wrong as a message."""

    count: int
    findings: tuple[Message, ...]

    @property
    def ok(self) -> bool:
        return not self.findings


def record(
    session: Session,
    *,
    actor: str,
    verb: str,
    subject_kind: str,
    subject: str,
    details: dict[str, Any],
    at: datetime,
) -> AuditEntry:
    """Append one entry: the last act of a transaction, so that the chain's lock is held as briefly as possible.

    ``details`` must have a canonical form (no floats). On PostgreSQL an advisory lock makes appenders wait for each
    other until commit; on SQLite the unit of work already holds the write lock.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
    settings = settings_of(session)
    sealed = session.get(AuditHead, 1, populate_existing=True)
    count, previous = (sealed.count, sealed.hash) if sealed else (0, GENESIS)
    key = read_key(settings, KEY_NAME) if count else read_or_make_key(settings, KEY_NAME)
    entry = AuditEntry(
        seq=count + 1,
        at=at.astimezone(UTC),
        actor=actor,
        verb=verb,
        subject_kind=subject_kind,
        subject=subject,
        text=canonical_text(details),
        previous_hash=previous,
        hash="",
    )
    entry.hash = _hash(entry)
    session.add(entry)
    if sealed is None:
        sealed = AuditHead(id=1, count=0, hash=GENESIS, seal="")
        session.add(sealed)
    sealed.count, sealed.hash = entry.seq, entry.hash
    sealed.seal = seal(key, sealed.count, sealed.hash)
    session.flush()
    return entry


def head(session: Session) -> Head:
    """The sealed head now; an empty log has count 0 and no seal of its own."""
    sealed = session.get(AuditHead, 1, populate_existing=True)
    if sealed is None:
        return Head(0, GENESIS, seal(read_or_make_key(settings_of(session), KEY_NAME), 0, GENESIS))
    return Head(sealed.count, sealed.hash, sealed.seal)


def verify(session: Session, printed_head: str | None = None) -> Verification:
    """Walk the chain and name each entry that was changed, is missing or was cut off.

    ``printed_head`` (from a frozen report) finds what a restored old database would hide: a log cut back to an
    earlier, then valid, head.
    """
    findings: list[Message] = []
    key = read_key(settings_of(session), KEY_NAME)
    wanted = Head.parse(printed_head) if printed_head else None
    previous, count, at_wanted = GENESIS, 0, None
    for entry in session.scalars(select(AuditEntry).order_by(AuditEntry.seq).execution_options(yield_per=1000)):
        count += 1
        if entry.seq != count:
            findings.append(_missing(count, entry.seq - 1))
            count = entry.seq
        elif entry.previous_hash != previous:
            findings.append(
                Message("audit_chain", N_("Entry {seq} does not follow the entry before it."), {"seq": count})
            )
        if entry.hash != _hash(entry):
            findings.append(
                Message("audit_changed", N_("Entry {seq} was changed after it was written."), {"seq": count})
            )
        previous = entry.hash
        if wanted and count == wanted.count:
            at_wanted = entry.hash
    sealed = session.get(AuditHead, 1, populate_existing=True)
    findings.extend(_against_sealed(key, sealed, count, previous))
    if wanted:
        findings.extend(_against_printed(key, wanted, count, at_wanted))
    return Verification(count, tuple(findings))


def _against_sealed(key: bytes, sealed: AuditHead | None, count: int, last_hash: str) -> list[Message]:
    if sealed is None:
        return [Message("audit_no_head", N_("The sealed head is missing."), {})]
    if not is_sealed(key, sealed.count, sealed.hash, sealed.seal):
        return [Message("audit_seal", N_("The seal on the head was not made with this installation's key."), {})]
    if count < sealed.count:
        return [_missing(count + 1, sealed.count)]
    if count > sealed.count:
        return [Message("audit_extra", N_("There are {count:,} entries, but the head was sealed at {sealed:,}."),
                        {"count": count, "sealed": sealed.count})]  # fmt: skip
    if last_hash != sealed.hash:
        return [Message("audit_head", N_("The last entry is not the one that the head was sealed with."), {})]
    return []


def _against_printed(key: bytes, wanted: Head, count: int, found_hash: str | None) -> list[Message]:
    if not is_sealed(key, wanted.count, wanted.hash, wanted.seal):
        return [Message("audit_foreign_head", N_("The printed head was not sealed by this installation."), {})]
    if wanted.count > count:
        return [_missing(count + 1, wanted.count)]
    if wanted.count and found_hash != wanted.hash:
        return [Message("audit_rewritten", N_("Entry {seq} is not the one the printed head was sealed with."),
                        {"seq": wanted.count})]  # fmt: skip
    return []


def _missing(first: int, last: int) -> Message:
    if first == last:
        return Message("audit_missing", N_("Entry {seq} is missing."), {"seq": first})
    return Message("audit_missing_range", N_("Entries {first} to {last} are missing."), {"first": first, "last": last})


def _hash(entry: AuditEntry) -> str:
    return sha256_hex(
        canonical_text(
            {
                "seq": entry.seq,
                "at": entry.at.astimezone(UTC),
                "actor": entry.actor,
                "verb": entry.verb,
                "subject_kind": entry.subject_kind,
                "subject": entry.subject,
                "text": entry.text,
                "previous_hash": entry.previous_hash,
            }
        )
    )
