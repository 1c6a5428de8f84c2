"""Looks: what the test of one look of a stage may decide, and at which level.

K looks share alpha equally (alpha / K each) or by a spending function of the information so far. Under 20 units a look
before the last can only stop for harm, one-sided at alpha / K, and the last look alone can advance, at the full alpha.
A look beyond K is exploratory.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from experiments.checks import at_least, probability
from experiments.monitor.spending import InvalidInformation, Spending, look_levels

FEW_UNITS = 20


@dataclass(frozen=True, slots=True)
class LookRule:
    """The rule of one look. ``level`` is the level of its test, one-sided where ``harm_only``.

    ``spending`` names how alpha is shared; ``information`` are the fractions of all looks so far where a spending
    function asked for them.
    """

    look: int
    looks_planned: int
    level: float
    may_advance: bool
    harm_only: bool
    exploratory: bool
    spending: str = Spending.EQUAL.value
    information: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "information", tuple(self.information))  # a list where it comes from JSON

    @property
    def gate_confidence(self) -> float:
        """The confidence level of the interval that the gate reads."""
        return 1.0 - (2.0 * self.level if self.harm_only else self.level)


def look_rule(
    look: int,
    looks_planned: int,
    *,
    n_units: int,
    alpha: float,
    spending: Spending | str = Spending.EQUAL,
    information: Sequence[float] = (),
) -> LookRule:
    """The rule of look number ``look`` (from 1) of ``looks_planned`` in a stage with ``n_units`` units of
    assignment.

    ``information`` has one rising fraction of the planned information per look so far, the last for this look; a
    spending function other than ``EQUAL`` needs it. Raises ``InvalidInformation`` where it does not fit.
    """
    at_least("look", look, 1)
    at_least("looks_planned", looks_planned, 1)
    share = probability("alpha", alpha) / looks_planned
    kind, fractions = Spending(spending), tuple(float(t) for t in information)
    if (kind is not Spending.EQUAL or fractions) and len(fractions) != look:
        raise InvalidInformation(
            information=", ".join(f"{t:g}" for t in fractions), must_be=f"one for each of the {look} looks so far"
        )
    levels = look_levels(looks_planned, kind, fractions, alpha) if fractions and look <= looks_planned else (share,)

    def rule(level: float, *, may_advance: bool = False, harm_only: bool = False) -> LookRule:
        exploratory = look > looks_planned
        return LookRule(look, looks_planned, level, may_advance, harm_only, exploratory, kind.value, fractions)

    if look > looks_planned:
        return rule(share)
    if n_units >= FEW_UNITS:
        return rule(levels[-1], may_advance=True)
    if look == looks_planned:
        return rule(alpha, may_advance=True)
    return rule(share, harm_only=True)


def advancing_level(
    looks_planned: int, *, n_units: int, alpha: float, spending: Spending | str = Spending.EQUAL
) -> float:
    """The level of the look that may advance: a design whose smallest p-value is above it is refused.

    Under a spending function it is the last look's, with looks at equal steps of information.
    """
    at_least("looks_planned", looks_planned, 1)
    equal = Spending(spending) is Spending.EQUAL
    information = () if equal else [(look + 1) / looks_planned for look in range(looks_planned)]
    return look_rule(
        looks_planned, looks_planned, n_units=n_units, alpha=alpha, spending=spending, information=information
    ).level
