"""The chapter on true loyalty, on a small network where everybody answers, and where nobody was asked."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from pilot.database import Database
from pilot.evidence.queries import report
from pilot.imports.model import ImportKind
from tests.builders import ON_SQLITE
from tests.pilot.evidence.small_network import START, SmallNetwork, chance, day_at

ASKED = START + timedelta(days=20)
HEADER = ["customer", "asked_on", "share_of_wallet", "referred", "referral_paid"]


def _running(database: Database, folder: Path) -> SmallNetwork:
    network = SmallNetwork(database, folder).running()
    network.run_to(START + timedelta(days=27), lift=0)
    return network


def _chapter(network: SmallNetwork) -> dict[str, Any]:
    frozen = network.look()
    with network.database.reading() as session:
        return dict(report(session, frozen.code).document.chapters["loyalty"])


def _answer(customer: str, wallet: int, *, referred: bool, paid: bool, on: date = ASKED) -> list[str]:
    yes = {True: "yes", False: "no"}
    return [customer, str(on), f"{wallet}%", yes[referred], yes[paid] if referred else ""]


def test_what_customers_say_is_compared_and_paid_referrals_do_not_count(database: Database, tmp_path: Path) -> None:
    network = _running(database, tmp_path)
    treated = network.read(lambda s, p: network.treated_stores(s, p, 1))
    rows = []
    for store in network.stores:
        for customer in network.customers_of(store):
            wallet = 30 + chance("wallet", customer) % 10 + (20 if store in treated else 0)
            # everybody recommends; in treated stores everybody is paid for it
            rows.append(_answer(customer, wallet, referred=True, paid=store in treated or customer.endswith("4")))
            rows.append(
                _answer(customer, 90, referred=True, paid=False, on=ASKED - timedelta(days=1))
            )  # corrected since
    network.load(ImportKind.SURVEYS, HEADER, rows, day_at(ASKED))
    chapter = _chapter(network)
    found = chapter["variants"]["points"]["rows"]
    wallet = found["share_of_wallet"]
    assert wallet["estimate"]["effect"] == pytest.approx(0.20, abs=0.03)
    assert wallet["estimate"]["interval"][0] < 0.20 < wallet["estimate"]["interval"][1]
    assert (wallet["n_control"], wallet["n_variant"], wallet["customers"]) == (32, 32, 32)
    assert found["unpaid_referrals"]["estimate"]["effect"] == pytest.approx(-0.75)
    assert all(row["stamp"] == "exploratory" for row in found.values())  # the plan names 60 days, the window has 28
    assert "refusal" in found["response"]  # everybody answered: no difference can be tested
    assert chapter["days"] == 28


@ON_SQLITE
def test_without_answers_the_reader_is_told_what_to_import(database: Database, tmp_path: Path) -> None:
    found = _chapter(_running(database, tmp_path))["variants"]["points"]["rows"]
    for code in ("unpaid_referrals", "share_of_wallet", "response"):
        assert found[code]["refusal"]["code"] == "no_survey_answers"
        assert found[code]["refusal"]["values"]["first"] == str(START)
    # at full price everywhere and always at home: nothing that could differ
    assert found["full_price_share"]["refusal"]["code"] == "no_variation"
    assert found["visits_beyond_home"]["refusal"]["code"] == "no_variation"
    repeat = found["repeat_purchase"]
    assert repeat["refusal"]["code"] == "no_variation" or repeat["n_control"] == 32
