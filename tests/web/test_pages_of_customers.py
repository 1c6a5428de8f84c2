"""The report's pages where customers were drawn one by one: each opens, and says what such a draw cannot see."""

import io
from pathlib import Path

from openpyxl import load_workbook

from pilot.database import Database
from tests.pilot.evidence.drawn_network import chapters
from tests.web.conftest import post
from tests.web.house import PASSWORD, add_people
from web.app import create_app

REPORT = "/pilots/points/reports/points-1-1"


def test_money_of_drawn_customers_says_that_it_may_only_have_been_shown(
    sqlite_database: Database, tmp_path: Path
) -> None:
    economics = {"margin_share": "0.30", "setup_minor": 20_000}
    network, told = chapters(
        sqlite_database, tmp_path / "files", lift=60, economics=economics, customers=6, subgroups=["segment:young"]
    )
    add_people(network)
    client = create_app(network.database.settings).test_client()
    assert post(client, "/sign-in", {"email": "analyst@example.org", "password": PASSWORD}).status_code == 302
    pages = {}
    for chapter in told:
        answer = client.get(f"{REPORT}/chapters/{chapter}")
        assert answer.status_code == 200, chapter
        pages[chapter] = answer.text
    net = told["money"]["variants"]["points"]["net_minor"]
    assert "Money of 48 treated customers over 4 weeks" in pages["money"]
    assert "the net may hold purchases that were only newly shown" in pages["money"]
    assert f"€{round(net / 100):,}" in pages["money"]
    assert "treated stores" not in pages["money"]
    assert "the share is at least this" in pages["subsidy"]
    assert "compared as independent samples" in pages["where"]
    assert "Every row is of the customers that were drawn" in pages["loyalty"]
    assert "what a store sells belongs to no variant" in pages["swiped"]
    assert "only newly shown" in client.get(f"{REPORT}/memo").text
    assert client.get(f"{REPORT}/memo.pdf").status_code == 200
    book = load_workbook(io.BytesIO(client.get(f"{REPORT}/report.xlsx").data))
    rows = {row[0]: row[1] for row in book["Money"].iter_rows(values_only=True)}
    assert rows["Net"] == net / 100
