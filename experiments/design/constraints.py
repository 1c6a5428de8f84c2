"""What a draw must respect besides its shares: stores that take part, stores that stay out, neighbours kept apart.

*Must include* and *must exclude* decide who is drawn; they never decide which arm a unit gets, for a unit that must be
treated is not randomised and says nothing about the effect. *Never together* keeps two neighbours from being treated
in the same draw, whatever their variants: they would fight for the same customers, and each would be measured with the
other's promotion in its back yard. One of them may be control while the other is treated. Where neighbours share so
many customers that a treated one spoils its neighbour as control, the unit to draw is the trade area, not the store.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from experiments.design.candidates import CONTROL, check_unique
from experiments.errors import ExperimentError
from experiments.messages import N_


class InvalidConstraints(ExperimentError):
    """Constraints that contradict each other or the list of candidates."""

    code = "invalid_constraints"
    template = N_("the constraints cannot be kept: {must_be}")


@dataclass(frozen=True, slots=True)
class Constraints:
    """Codes that must be dealt, codes that must not, and pairs of codes never both in treated variants of one draw."""

    must_include: tuple[str, ...] = ()
    must_exclude: tuple[str, ...] = ()
    never_together: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        check_unique(self.must_include)
        check_unique(self.must_exclude)
        both = sorted(set(self.must_include) & set(self.must_exclude))
        if both:
            raise InvalidConstraints(must_be=f"{', '.join(both)} cannot be both included and excluded")
        for pair in self.never_together:
            if len(pair) != 2 or pair[0] == pair[1]:
                raise InvalidConstraints(must_be=f"{' and '.join(pair)} are not two different units")

    def __bool__(self) -> bool:
        return bool(self.must_include or self.must_exclude or self.never_together)

    def check(self, codes: Iterable[str], dealt: Sequence[str]) -> None:
        """``InvalidConstraints`` for a name that is no candidate, and for a must-include that is not dealt."""
        known, seats = set(codes), set(dealt)
        named = [*self.must_include, *self.must_exclude, *(code for pair in self.never_together for code in pair)]
        strangers = sorted(set(named) - known)
        if strangers:
            raise InvalidConstraints(must_be=f"{', '.join(strangers)} is not among the candidates")
        missing = [code for code in self.must_include if code not in seats]
        if missing:
            raise InvalidConstraints(must_be=f"{', '.join(missing)} must be drawn, but the mechanism leaves it out")
        wrong = [code for code in self.must_exclude if code in seats]
        if wrong:
            raise InvalidConstraints(must_be=f"{', '.join(wrong)} must stay out, but the mechanism draws it")

    def keeps_apart(self, assignment: Mapping[str, str]) -> bool:
        """Whether no pair of ``never_together`` is treated on both sides."""
        return all(
            CONTROL in (assignment.get(first, CONTROL), assignment.get(second, CONTROL))
            for first, second in self.never_together
        )

    def to_record(self) -> dict[str, Any]:
        """As JSON-able data; ``from_record`` reads it back."""
        return {
            "must_include": list(self.must_include),
            "must_exclude": list(self.must_exclude),
            "never_together": [list(pair) for pair in self.never_together],
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> "Constraints":
        """The constraints that ``to_record`` wrote."""
        return cls(
            tuple(record["must_include"]),
            tuple(record["must_exclude"]),
            tuple((first, second) for first, second in record["never_together"]),
        )


NO_CONSTRAINTS = Constraints()
