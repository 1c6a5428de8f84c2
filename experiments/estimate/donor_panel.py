"""A few treated units, the donors that stayed untreated, and the period in which treatment began."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from experiments.errors import InvalidNumber, NotEstimable
from experiments.estimate.unit_table import Floats
from experiments.messages import N_, Message


@dataclass(frozen=True, slots=True, eq=False)
class DonorPanel:
    """Outcomes per unit and period: ``treated`` (k, T), ``donors`` (J, T), treated from period ``n_before`` on.

    Every number is finite. Raises ``InvalidNumber`` for shapes that do not match, ``NotEstimable`` with fewer than two
    donors, two periods before or one period after the start.
    """

    treated: Floats
    donors: Floats
    n_before: int

    def __post_init__(self) -> None:
        shapes = f"{self.treated.shape}, {self.donors.shape}"
        if self.treated.ndim != 2 or self.donors.ndim != 2 or self.treated.shape[1] != self.donors.shape[1]:
            raise InvalidNumber(name="treated, donors", value=shapes, must_be="k × T and J × T")
        if not (np.isfinite(self.treated).all() and np.isfinite(self.donors).all()):
            raise InvalidNumber(name="treated, donors", value="NaN or infinity", must_be="finite numbers")
        if len(self.treated) < 1 or len(self.donors) < 2:
            template = N_("{treated} treated units and {donors} donors; at least one and two are needed")
            raise NotEstimable(
                Message("too_few_donors", template, {"treated": len(self.treated), "donors": len(self.donors)})
            )
        if self.n_before < 2 or self.n_after < 1:
            template = N_("{before} periods before the start and {after} from it on; at least two and one are needed")
            raise NotEstimable(Message("too_few_periods", template, {"before": self.n_before, "after": self.n_after}))

    @property
    def n_after(self) -> int:
        """Periods from the start on."""
        return int(self.treated.shape[1]) - self.n_before

    @property
    def treated_mean(self) -> Floats:
        """(T,) the mean of the treated units."""
        mean: Floats = self.treated.mean(axis=0)
        return mean

    @property
    def noise(self) -> float:
        """Standard deviation of the donors' changes from one period to the next before the start."""
        changes = np.diff(self.donors[:, : self.n_before], axis=1)
        return float(changes.std(ddof=1)) if changes.size > 1 else 0.0

    def placebo(self, chosen: Sequence[int]) -> "DonorPanel":
        """The panel in which the ``chosen`` donors play the treated units and the treated units take no part."""
        mask = np.zeros(len(self.donors), dtype=bool)
        mask[list(chosen)] = True
        return DonorPanel(self.donors[mask], self.donors[~mask], self.n_before)
