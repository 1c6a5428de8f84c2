"""The short cut for the one question that tills ask all day: ``GET /api/v1/assignments``."""

from typing import Any

from pilot.access.permissions import Scope, may_key
from pilot.assignment.asking import Question, read_question
from pilot.words import Message
from web.api.answer_texts import answer_text
from web.api.live_keys import desk_of, remembered_key
from web.api.questions import OF_ONE, parameters
from web.api.short_cut import Answer, ShortCut, secret_of


class FastLookUp(ShortCut):
    """The key's life, scope and store, the reading of the question, the verdict and its text: as the view has them."""

    method, path, status = "GET", "/api/v1/assignments", "200 OK"

    def answer(self, environ: dict[str, Any]) -> Answer | None:
        question, secret = _question(environ.get("QUERY_STRING", "")), secret_of(environ)
        if question is None or secret is None:
            return None
        desk, now = desk_of(self.app), self.settings.now()
        with desk.reading() as reader:
            head = reader.head()
            key = remembered_key(self.app, head, secret, now=self.settings.wall_clock())
            if key is None or not may_key(key, Scope.ASSIGNMENTS_READ, question.store):
                return None
            kept = desk.kept(head)
            place = kept.snapshot.places.get(question.store)
            if place is None:
                return None
            wanted = question.external_id
            person = reader.person(kept.snapshot, wanted) if wanted is not None else None
        return Answer(answer_text(kept.till(place, now).verdict(person), now, self.language).encode())


def _question(query: str) -> Question | None:
    """The question in an address that asks plainly: each known parameter once and not empty."""
    row = parameters(query, OF_ONE)
    if isinstance(row, Message):
        return None
    question = read_question(row)
    return question if isinstance(question, Question) else None
