"""Rule table and verbs for importing survey answers: share of wallet, and referrals, paid or not."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from pilot.imports.arrow import Column
from pilot.imports.importer import CLASHES_LIMIT, Clash, Comparison, Context, Published
from pilot.imports.mapping import FileMapping
from pilot.imports.model import ImportKind, ImportRun
from pilot.imports.rows import Mask, Rows
from pilot.imports.rules import Field, RowRule
from pilot.imports.times import Day
from pilot.imports.values import Choice, Id, Reading
from pilot.network.model import SurveyAnswer
from pilot.network.queries import customer_keys, network
from pilot.words import N_, Message

WHOLE = 1_000_000  # a share of 1, in parts per million
_YES, _NO = "yes", "no"
_WORDS = {
    **dict.fromkeys(("yes", "y", "true", "1", "да", "kyllä", "k"), _YES),
    **dict.fromkeys(("no", "n", "false", "0", "нет", "ei", "e"), _NO),
}
_SHARE = re.compile(r"(?P<n>[0-9]{1,3}(?:[.,][0-9]{1,6})?)\s*(?P<per_cent>%?)")
_NOBODY = N_("There is no customer “{code}”. Import the customers first, or let the row wait in quarantine.")
_ANSWERS = ("share_of_wallet", "referred", "referral_paid")
_BITE = 5_000

Values = dict[str, Any]
Key = tuple[int, date]


@dataclass(frozen=True, slots=True)
class WalletShare:
    """A share of a whole: ``45%`` (0 to 100) with the sign, ``0.45`` (0 to 1) without it; parts per million."""

    def parse(self, texts: Column, name: str, reading: Reading) -> Column:
        return pa.array([None if text is None else _ppm(text) for text in texts.to_pylist()], pa.int64())

    def explain(self, text: str, name: str, reading: Reading) -> Message:
        return Message(
            "not_a_share",
            N_("This is no share. Write 45% with the sign, or 0.45 without it; without the sign 1 is everything."),
        )


def _ppm(text: str) -> int | None:
    found = _SHARE.fullmatch(text)
    if found is None:
        return None
    number = Decimal(found["n"].replace(",", ".")) / (100 if found["per_cent"] else 1)
    return int(number * WHOLE) if number <= 1 else None


class SurveyImporter:
    """Answers by customer and day of asking; a later file corrects an earlier one."""

    kind = ImportKind.SURVEYS
    takes_attributes = False
    keys: Sequence[Sequence[str]] = (("customer", "asked_on"),)
    renamed: Mapping[str, str] = {}
    fields: Sequence[Field] = (
        Field(
            "customer",
            Id(),
            N_("Customer"),
            True,
            synonyms=(
                "customer id, household id, member id, card, card number, respondent, клиент, код клиента, "
                "номер карты, asiakas, asiakasnumero, vastaaja"
            ),
        ),
        Field(
            "asked_on",
            Day(),
            N_("Asked on"),
            True,
            synonyms="date, asked, survey date, answered on, дата, дата опроса, päivämäärä, kysytty",
        ),
        Field(
            "share_of_wallet",
            WalletShare(),
            N_("Share of wallet"),
            synonyms="wallet, wallet share, share, доля кошелька, доля, osuus ostoista, osuus",
        ),
        Field(
            "referred",
            Choice(_WORDS),
            N_("Recommended us to somebody"),
            synonyms="referral, recommended, рекомендовал, suositteli",
        ),
        Field(
            "referral_paid",
            Choice(_WORDS),
            N_("Was paid for it"),
            synonyms="paid, paid referral, rewarded, за вознаграждение, оплачено, maksettu, palkittu",
        ),
    )

    def context(self, session: Session, now: datetime) -> Context:
        network(session)
        return Context(now)

    def rules(self, context: Context) -> Sequence[RowRule]:
        return _ROW_RULES

    def finish(self, good: pa.Table, mapping: FileMapping, context: Context) -> pa.Table:
        kept = [name for name in good.column_names if name == "line" or name in mapping.columns]
        return good.select(kept)

    def look_up(self, session: Session, staged: Path) -> None:
        """Answers are compared bite by bite."""

    def compare(self, session: Session, staged: Path, context: Context) -> Comparison:
        n_new = n_same = n_unknown = 0
        unknown: list[Clash] = []
        for rows in _bites(staged):
            keys = customer_keys(session, [row["customer"] for row in rows])
            stored = _stored(session, set(keys.values()))
            for row in rows:
                key = keys.get(row["customer"])
                if key is None:
                    n_unknown += 1
                    if len(unknown) < CLASHES_LIMIT:
                        reason = Message("unknown_customer", _NOBODY, {"code": row["customer"]})
                        unknown.append(Clash(row["line"], "customer", reason))
                elif _differs(stored.get((key, row["asked_on"])), _values(row)):
                    n_new += 1
                else:
                    n_same += 1
        return Comparison(n_new, n_same, n_unknown, tuple(unknown))

    def on_staged(self, session: Session, staged: Path, now: datetime) -> None:
        """Nothing is needed before publishing."""

    def publish(self, session: Session, run: ImportRun, staged: Path, now: datetime) -> Published:
        """Answers of customers who were forgotten since they were staged are left out."""
        n_new = 0
        for rows in _bites(staged):
            keys = customer_keys(session, [row["customer"] for row in rows])
            stored = _stored(session, set(keys.values()))
            for row in rows:
                if row["customer"] not in keys:
                    continue
                key, values = (keys[row["customer"]], row["asked_on"]), _values(row)
                found = stored.get(key)
                if not _differs(found, values):
                    continue
                n_new += 1
                if found is None:
                    session.add(SurveyAnswer(customer_key=key[0], asked_on=key[1], **values))
                else:
                    where = (SurveyAnswer.customer_key == key[0], SurveyAnswer.asked_on == key[1])
                    session.execute(update(SurveyAnswer).where(*where).values(**values))
            session.flush()
        return Published(n_new)


SURVEYS = SurveyImporter()


def answers_between(session: Session, first: date, last: date) -> Sequence[SurveyAnswer]:
    """All answers of people who were asked from ``first`` to ``last``, by customer and day."""
    query = select(SurveyAnswer).where(SurveyAnswer.asked_on.between(first, last))
    return session.scalars(query.order_by(SurveyAnswer.customer_key, SurveyAnswer.asked_on)).all()


def _answers_something(rows: Rows) -> Mask:
    mask: Mask = rows.is_given("share_of_wallet") | rows.is_given("referred")
    return mask


def _paid_for_a_referral(rows: Rows) -> Mask:
    mask: Mask = (rows.places("referred", (_YES, _NO)) == 0) | ~rows.is_given("referral_paid")
    return mask


_ROW_RULES = (
    RowRule(
        "share_of_wallet",
        Message("no_answer", N_("This row answers neither question: leave it out.")),
        _answers_something,
    ),
    RowRule(
        "referral_paid",
        Message("paid_without_referral", N_("Only who recommended us can have been paid for it.")),
        _paid_for_a_referral,
    ),
)


def _bites(staged: Path) -> Sequence[list[Values]]:
    with pq.ParquetFile(staged) as file:
        return [batch.to_pylist() for batch in file.iter_batches(batch_size=_BITE)]


def _stored(session: Session, keys: set[int]) -> dict[Key, SurveyAnswer]:
    found = session.scalars(select(SurveyAnswer).where(SurveyAnswer.customer_key.in_(keys)))
    return {(one.customer_key, one.asked_on): one for one in found}


def _values(row: Values) -> Values:
    """What a row says: only of the questions that its file has a column for."""
    said: Values = {}
    if "share_of_wallet" in row:
        said["share_of_wallet_ppm"] = row["share_of_wallet"]
    for name in ("referred", "referral_paid"):
        if name in row:
            said[name] = None if row[name] is None else row[name] == _YES
    return said


def _differs(found: SurveyAnswer | None, values: Values) -> bool:
    return found is None or any(getattr(found, name) != value for name, value in values.items())
