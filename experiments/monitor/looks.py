"""Looks: what the test of one look of a stage may decide, and at which level.

K looks share alpha equally (alpha / K each). Under 20 units a look before the last can only stop for harm, one-sided at
alpha / K, and the last look alone can advance, at the full alpha. A look beyond K is exploratory.
"""

from dataclasses import dataclass

from experiments.checks import at_least, probability

FEW_UNITS = 20


@dataclass(frozen=True, slots=True)
class LookRule:
    """The rule of one look. ``level`` is the level of its test, one-sided where ``harm_only``."""

    look: int
    looks_planned: int
    level: float
    may_advance: bool
    harm_only: bool
    exploratory: bool

    @property
    def gate_confidence(self) -> float:
        """The confidence level of the interval that the gate reads."""
        return 1.0 - (2.0 * self.level if self.harm_only else self.level)


def look_rule(look: int, looks_planned: int, *, n_units: int, alpha: float) -> LookRule:
    """The rule of look number ``look`` (from 1) of ``looks_planned`` in a stage with ``n_units`` units of
    assignment."""
    at_least("look", look, 1)
    at_least("looks_planned", looks_planned, 1)
    probability("alpha", alpha)
    share = alpha / looks_planned
    if look > looks_planned:
        return LookRule(look, looks_planned, share, may_advance=False, harm_only=False, exploratory=True)
    if n_units >= FEW_UNITS:
        return LookRule(look, looks_planned, share, may_advance=True, harm_only=False, exploratory=False)
    if look == looks_planned:
        return LookRule(look, looks_planned, alpha, may_advance=True, harm_only=False, exploratory=False)
    return LookRule(look, looks_planned, share, may_advance=False, harm_only=True, exploratory=False)


def advancing_level(looks_planned: int, *, n_units: int, alpha: float) -> float:
    """The level of the look that may advance: a design whose smallest p-value is above it is refused."""
    return look_rule(looks_planned, looks_planned, n_units=n_units, alpha=alpha).level
