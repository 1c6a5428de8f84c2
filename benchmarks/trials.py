"""Trials on real households: worlds with a known effect, draws in them, and the moments each draw would have seen.

Every copy falls at its household's home store, so a store's moments depend on its own treatment alone: the moments of
any draw are put together from the two complete worlds, exactly. ``tests/pilot/demo/test_coverage.py`` compares this
with the full path, receipts of the draw to moments.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from experiments.design.mechanisms import CONTROL, Candidate, Mechanism, Share, complete, matched_pairs
from experiments.measure.metrics import (
    Metric,
    identification_rate,
    purchase_frequency,
    repeat_purchase,
    spend_per_customer,
    store_total,
)
from experiments.measure.unit_moments import UnitMoments
from pilot.demo.households import Baskets
from pilot.demo.seeds import DEMO
from pilot.demo.stores import Before, before_the_pilot
from pilot.demo.truth import Moments, truth, world_moments
from pilot.demo.worlds import Copies, injected, receipts

CARD = "card"
SHARES = (Share(CONTROL, 1), Share(CARD, 1))
JUDGED: tuple[Metric, ...] = (store_total(), purchase_frequency(), repeat_purchase(28), spend_per_customer())
# Shown beside, not judged: in 60 days nearly everybody comes back, see the page.
CEILING = repeat_purchase(60)
IDENTIFICATION = identification_rate()


@dataclass(frozen=True, slots=True)
class TrialWorld:
    """One network with an effect of its own, in both complete worlds: metric code → unit → moments."""

    number: int
    before: Before
    copies: Copies
    pairs: Mechanism
    free: Mechanism
    untreated: Mapping[str, Moments]
    treated: Mapping[str, Moments]

    def truth(self, metric: Metric) -> float:
        """The mean over the drawn stores of the difference between the worlds."""
        both = {"treated": self.treated[metric.code], "untreated": self.untreated[metric.code]}
        return truth(metric, **both, drawn=self.pairs.codes)

    def seen(self, metric: Metric, assignment: Mapping[str, str], *, lifted: bool) -> tuple[UnitMoments, ...]:
        """The moments that this draw would have seen, with the effect (``lifted``) or without any."""
        with_effect = self.treated if lifted else self.untreated
        return tuple(
            (with_effect if variant == CARD else self.untreated)[metric.code][unit]
            for unit, variant in sorted(assignment.items())
        )


def trial_world(
    number: int, baskets: Baskets, segments: dict[int, str], metrics: Iterable[Metric], *, cardless_share: float = 0.0
) -> TrialWorld:
    """World ``number``: its own identification, homes, pairs and injection, all from streams that carry its number."""
    before = before_the_pilot(baskets, DEMO, "coverage", number, "before", cardless_share=cardless_share)
    copies = injected(before, segments, DEMO, "coverage", number, "injection")
    nobody, everybody = receipts(before), receipts(before, copies=copies, treated=before.eligible)
    wanted = {metric.code: metric for metric in (*metrics, spend_per_customer())}.values()
    untreated = {metric.code: world_moments(before, nobody, metric) for metric in wanted}
    treated = {metric.code: world_moments(before, everybody, metric) for metric in wanted}
    pairs = paired_on_spend(untreated[spend_per_customer().code])
    drawn = set(pairs.codes)
    free = complete([candidate for candidate in pairs.candidates if candidate.code in drawn], SHARES)
    return TrialWorld(number, before, copies, pairs, free, untreated, treated)


def paired_on_spend(spend: Moments) -> Mechanism:
    """Stores paired on what their households spent before the start, in minor units per household."""
    candidates = [
        Candidate(unit, None, {"spend_per_household": moments.x // moments.n_x})
        for unit, moments in sorted(spend.items())
    ]
    return matched_pairs(candidates, SHARES, on=["spend_per_household"])
