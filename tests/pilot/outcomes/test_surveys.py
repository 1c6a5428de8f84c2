"""Survey answers: what a file may say, what is refused by row, corrections, and that they go with their customer."""

from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import select

from pilot.database import Database
from pilot.imports.errors import BadRows
from pilot.imports.mapping import guess_mapping
from pilot.imports.model import ImportKind
from pilot.network.model import SurveyAnswer
from pilot.network.service import forget_customer
from pilot.outcomes.importers import importer_for
from pilot.outcomes.surveys import answers_between
from tests.pilot.imports.builders import Chain

CUSTOMERS = "customer,home_store\nc1,31\nc2,31\nc3,309\n"
HEADER = "customer,asked_on,share_of_wallet,referred,referral_paid\n"


@pytest.fixture
def chain(database: Database, tmp_path: Path) -> Chain:
    chain = Chain(database, database.settings.now()).with_stores()
    return take_in(chain, tmp_path, ImportKind.CUSTOMERS, CUSTOMERS)


def take_in(chain: Chain, folder: Path, kind: ImportKind, text: str) -> Chain:
    path = folder / f"{kind}.csv"
    path.write_text(text, "utf-8")
    chain.take_in(kind, path)
    return chain


def stored(chain: Chain) -> dict[int, tuple[int | None, bool | None, bool | None]]:
    with chain.database.reading() as session:
        rows = session.scalars(select(SurveyAnswer)).all()
        return {row.customer_key: (row.share_of_wallet_ppm, row.referred, row.referral_paid) for row in rows}


def test_a_share_is_per_cent_with_the_sign_and_a_part_of_one_without_it(chain: Chain, tmp_path: Path) -> None:
    text = HEADER + 'c1,2026-01-05,45%,yes,no\nc2,2026-01-05,"0,45",no,\nc3,2026-01-05,1,,\n'
    take_in(chain, tmp_path, ImportKind.SURVEYS, text)
    assert stored(chain) == {1: (450_000, True, False), 2: (450_000, False, None), 3: (1_000_000, None, None)}


@pytest.mark.parametrize(
    ("row", "field", "code"),
    [
        ("c1,2026-01-05,45,,", "share_of_wallet", "not_a_share"),
        ("c1,2026-01-05,101%,,", "share_of_wallet", "not_a_share"),
        ("c1,2026-01-05,-5%,,", "share_of_wallet", "not_a_share"),
        ("c1,2026-01-05,nan,,", "share_of_wallet", "not_a_share"),
        ("c1,2026-01-05,,,", "share_of_wallet", "no_answer"),
        ("c1,2026-01-05,,no,yes", "referral_paid", "paid_without_referral"),
        ("c1,2026-01-05,,perhaps,", "referred", "not_a_choice"),
        ("nobody,2026-01-05,45%,,", "customer", "unknown_customer"),
    ],
)
def test_a_row_that_cannot_be_is_named(chain: Chain, tmp_path: Path, row: str, field: str, code: str) -> None:
    with pytest.raises(BadRows) as refused:
        take_in(chain, tmp_path, ImportKind.SURVEYS, f"{HEADER}c2,2026-01-05,40%,,\n{row}\n")
    (finding,) = refused.value.findings
    assert (finding.line, finding.field, finding.reason.code) == (3, field, code)
    assert stored(chain) == {}


def test_a_later_file_corrects_an_answer_and_says_nothing_of_other_questions(chain: Chain, tmp_path: Path) -> None:
    take_in(chain, tmp_path, ImportKind.SURVEYS, HEADER + "c1,2026-01-05,45%,yes,no\n")
    take_in(chain, tmp_path, ImportKind.SURVEYS, "customer,asked_on,share_of_wallet\nc1,2026-01-05,55%\n")
    assert stored(chain) == {1: (550_000, True, False)}


def test_answers_are_read_by_the_day_of_asking(chain: Chain, tmp_path: Path) -> None:
    take_in(chain, tmp_path, ImportKind.SURVEYS, HEADER + "c1,2026-01-05,45%,,\nc1,2026-01-08,50%,,\n")
    with chain.database.reading() as session:
        found = answers_between(session, date(2026, 1, 6), date(2026, 1, 9))
        assert [one.share_of_wallet_ppm for one in found] == [500_000]


def test_the_answers_of_a_forgotten_customer_are_gone(chain: Chain, tmp_path: Path) -> None:
    take_in(chain, tmp_path, ImportKind.SURVEYS, HEADER + "c1,2026-01-05,45%,,\nc2,2026-01-05,40%,,\n")
    with chain.database.unit_of_work() as session:
        forget_customer(session, "c1", actor=session.merge(chain.admin), now=chain.now)
    assert list(stored(chain)) == [2]


def test_columns_are_guessed_from_their_names_in_three_languages(chain: Chain, tmp_path: Path) -> None:
    path = tmp_path / "guess.csv"
    path.write_text("клиент;дата опроса;доля кошелька;рекомендовал\nc1;05.01.2026;45%;да\n", "utf-8")
    guessed = guess_mapping(importer_for(ImportKind.SURVEYS), path)
    assert set(guessed.mapping.columns) == {"customer", "asked_on", "share_of_wallet", "referred"}
