"""The pages of the product with everything on them that is read, and what may stand there untranslated."""

import re
from collections.abc import Iterator
from typing import Any
from zoneinfo import available_timezones

from flask import Flask
from sqlalchemy import update

from pilot.access.model import User
from pilot.settings import Settings
from tests import pseudo
from web.app import create_app

REPORT = "/pilots/points/reports/points-1-1"
CHAPTERS = ("swiped", "crossing", "money", "value", "subsidy", "loyalty", "where")
PAGES = {
    "manager": (
        "/", "/account/", "/pilots/", "/pilots/new", "/pilots/draft", "/pilots/draft/edit/brief",
        "/pilots/draft/edit/stores", "/pilots/draft/edit/design", "/pilots/draft/edit/money",
        "/pilots/draft/edit/stages", "/pilots/draft/edit/wind_down", "/pilots/draft/edit/review",
        "/pilots/draft/design/1/eligible", "/pilots/draft/design/1/study", "/pilots/draft/design/1/verdict",
        "/pilots/draft/design/money", "/pilots/points/amend", "/calendar/", "/calendar/new", "/metric-library/",
        "/methods/",
        "/pilots/draft/report", "/pilots/draft/assignment", "/pilots/draft/visible/1", "/pilots/draft/specimen/1",
        "/programs/", "/programs/new", "/programs/card", "/programs/card/points/offer",
        "/programs/card/points/offer/tier_card", "/programs/card/points/offer/personal_card",
        "/programs/card/points/offer/gift_or_draw", "/programs/card/points/offer/service_standard",
        "/programs/card/offers/card.points.all/break-even?margin=30",
        "/programs/card/offers/card.points.all/break-even",
        "/assignments/?store=S01&customer=S01-C1", "/assignments/?store=S99", "/nowhere", "/pilots/none",
    ),
    "analyst": (
        "/pilots/submitted", "/imports/", "/quarantine/", "/segments/", "/segments/new", "/segments/young", "/network/",
        "/policy/", "/metric-library/?search=zzzz",
    ),
    "executive": (
        "/", "/pilots/points", "/pilots/points/stages", "/pilots/points/assignment", REPORT, f"{REPORT}/memo",
        *(f"{REPORT}/chapters/{chapter}" for chapter in CHAPTERS), "/pilots/points/decision", f"{REPORT}/known",
        "/pilots/running/stages", "/policy/",
    ),
    "admin": ("/people/", "/keys/", "/network/", "/demonstration/", "/webhooks/", "/policy/"),
}  # fmt: skip
# Forms that are refused: who sends what from which page.
REFUSED: tuple[tuple[str, str, str, dict[str, Any]], ...] = (
    ("manager", "/pilots/new", "/pilots/new", {"code": "Ä", "name": "", "program": "card", "objective": "defend"}),
    ("manager", "/programs/new", "/programs/new", {"code": "Not A Code", "name": ""}),
    (
        "manager", "/programs/card/points/offer/personal_card", "/programs/card/points/offer/personal_card",
        {"term-discount_share": "abc"},
    ),
    ("manager", "/pilots/points/stages/2/draw", "/pilots/points/stages", {}),
    ("analyst", "/segments/new", "/segments/new", {"code": "Ä", "name": "N"}),
    ("executive", f"{REPORT}/decide", "/pilots/points/decision", {"choice": "approve", "reason": "", "round": "1"}),
    ("executive", "/pilots/draft/approve", "/pilots/draft", {"reason": "x", "plan_hash": "x"}),
    ("admin", "/people/", "/people/", {"email": "nobody", "name": "N", "role": "manager"}),
    ("admin", "/network/customers/forget", "/network/", {"customer": "nobody"}),
    ("admin", "/network/", "/network/", {"name": "N", "currency": "XXQ", "timezone": "UTC", "cutoff_hour": "40"}),
    ("admin", "/keys/", "/keys/", {"name": ""}),
)  # fmt: skip
# Names and values of the small house, as they stand on its pages.
NAMES = (
    "A points card brings shoppers back.", "Control: nothing changes", "The whole network", "A few stores",
    "Points card", "A manager", "A analyst", "A executive", "A admin", "A auditor", "A colleague", "Points", "Card",
    "Small", "English", "Suomi", "Pilot", "EUR", "UTC", "CSV", "control", "points", "young", "old", "age",
    "none", "nobody", "abc", "XXQ", "Not A Code", "IANA",
)  # fmt: skip
PATTERNS = (r"[\w.-]+@example\.org", r"\b[0-9a-f]{12,}\b", r"\b\d\.\d\.\d\+[0-9a-f]+\b", r"\b\w+-\d{14}\.csv")
ALLOWED = re.compile("|".join([*PATTERNS, *(rf"(?<!\w){re.escape(name)}(?!\w)" for name in NAMES)]))
ZONES = available_timezones()


def speakers_of(language: str, settings: Settings) -> Iterator[Flask]:
    """The application over a copy of the small house, everybody in it a speaker of ``language``."""
    app = create_app(settings.model_copy(update={"language": language, "demo": True}))
    with app.extensions["pilot_database"].unit_of_work() as session:
        session.execute(update(User).values(language=language))
    yield app
    app.extensions["pilot_database"].dispose()


def left_in(page: str) -> list[str]:
    """The texts of a page with a word that nobody translated."""
    return [text for text in pseudo.shown(page) if text not in ZONES and pseudo.missed(text, ALLOWED)]
