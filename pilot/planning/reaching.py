"""What a draw needs to reach the level of its look: the least number of units, by mechanism."""

from experiments.design.mechanisms import CONTROL, Candidate, Mechanism, Share, complete, matched_pairs
from experiments.design.reach import smallest_p
from experiments.measure.metrics import AssignmentUnit
from experiments.monitor.looks import advancing_level
from pilot.planning.plan import Plan
from pilot.words import N_, Message

_MOST = 60
_VARIANT = "variant"
_SIZE = "size"


def units_needed(plan: Plan, number: int) -> list[Message]:
    """What would do where a design cannot reach its level: more units, another draw, or an honest description."""
    found = []
    for kind, template in (
        ("complete", N_("A complete draw reaches its level with {n} units.")),
        ("matched_pairs", N_("Matched pairs reach their level with {n} units.")),
    ):
        n = _fewest(kind, plan.stage(number).looks, float(plan.alpha))
        if n is not None:
            found.append(Message(f"needs_{kind}", template, {"n": n}))
    if plan.unit is AssignmentUnit.REGION:
        descriptive = N_(
            "With fewer regions no draw can: draw stores instead, or describe the regions with a synthetic control, "
            "labelled observational."
        )
        found.append(Message("needs_description", descriptive, {}))
    return found


def _fewest(kind: str, looks: int, alpha: float) -> int | None:
    for n in range(4, _MOST + 1, 2):
        if smallest_p(_draw(kind, n), _VARIANT) <= advancing_level(looks, n_units=n, alpha=alpha):
            return n
    return None


def _draw(kind: str, n: int) -> Mechanism:
    shares = (Share(CONTROL, 1), Share(_VARIANT, 1))
    units = [Candidate(f"{number:03d}", None, {_SIZE: number}) for number in range(n)]
    return matched_pairs(units, shares, [_SIZE]) if kind == "matched_pairs" else complete(units, shares)
