"""What came of a batch, kept with its commit: who asks again, after whatever time, hears what was answered first.

To work it out anew the files of the version before would be needed, and those are joined and vacuumed. Later versions
would give another answer: a receipt that was referred to in vain may have come since.
"""

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pilot.imports.importer import Clash, Published
from pilot.words import Message

_ANSWER = "answer"


@dataclass(frozen=True, slots=True)
class Answer:
    """How many receipts went in, and by id those that did not: known ones, and clashes (field and reason).

    A batch has each id once. Lines would not do: they move where a customer is forgotten before it is asked again.
    """

    n_new: int
    known: Sequence[str]
    clashes: Mapping[str, tuple[str, Message]]

    @classmethod
    def of(cls, n_new: int, known: Sequence[int], clashes: Sequence[Clash], ids: Mapping[int, str]) -> "Answer":
        """``ids``: by line."""
        named = {ids[clash.line]: (clash.field, clash.reason) for clash in clashes}
        return cls(n_new, [ids[line] for line in known], named)

    def published(self, version: int, lines: Mapping[str, int]) -> Published:
        """The answer again. ``lines``: by id, where the receipts are now; those without a line are not told."""
        known = sorted(lines[name] for name in self.known if name in lines)
        clashes = [Clash(lines[name], *found) for name, found in self.clashes.items() if name in lines]
        return Published(self.n_new, version, known, tuple(sorted(clashes, key=lambda clash: clash.line)))

    def to_details(self) -> dict[str, str]:
        """For the commit; packed, for a till that sends its days again makes many of the same kind."""
        clashes = [[name, field, reason.to_dict()] for name, (field, reason) in self.clashes.items()]
        packed = zlib.compress(json.dumps([self.n_new, list(self.known), clashes]).encode())
        return {_ANSWER: base64.b64encode(packed).decode()}


def answer_in(details: Mapping[str, str]) -> Answer | None:
    """What ``to_details`` kept; None where a commit is older than that."""
    if _ANSWER not in details:
        return None
    n_new, known, clashes = json.loads(zlib.decompress(base64.b64decode(details[_ANSWER])))
    return Answer(n_new, known, {name: (field, Message.from_dict(reason)) for name, field, reason in clashes})
