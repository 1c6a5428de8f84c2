"""Decision rules: how often a rule over stages would launch, stop or stay undecided, for effects that one may name.

A stage ends at its last look. At each look the rule reads the posterior of the effect (normal, the plan's prior and
what the looks of this stage have shown) and, in this order,

    stop      when P(effect < −harm_margin, given the prior) > stop_at,
    advance   when P(effect > break_even, given the prior) ≥ advance_at, z ≥ z_{1 − level/2} where the rule asks for
              significance, and the guardrail is non-inferior,
    extend    otherwise, or, at the last look of the stage, end undecided.

Every stage draws new stores, so stages are independent; ``carry`` starts a stage from the posterior of the one before
instead of the plan's prior. The thresholds are conventions of a plan: this simulation is what says what they do.
Reference: Berry et al. (2010), Bayesian Adaptive Methods for Clinical Trials, chapter 2 (operating characteristics).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from experiments.checks import at_least, finite, probability
from experiments.errors import InvalidNumber
from experiments.estimate.unit_table import Flags, Floats
from experiments.forecast.shrinkage import Prior


@dataclass(frozen=True, slots=True)
class Guardrail:
    """A metric that must not fall by more than ``margin``: its true ``effect``, one-sided ``level``, and errors at the
    looks of a stage as multiples ``error_ratio`` of the leading metric's. Independent of the leading metric."""

    effect: float
    margin: float
    error_ratio: float = 1.0
    level: float = 0.05

    def __post_init__(self) -> None:
        finite("effect", self.effect)
        probability("level", self.level)
        if not (self.margin > 0.0 and self.error_ratio > 0.0):
            raise InvalidNumber(name="margin, error_ratio", value=self.margin, must_be="greater than 0")


@dataclass(frozen=True, slots=True)
class DecisionRule:
    """The thresholds of a plan. ``levels`` are two-sided nominal levels, one per look of a stage (empty: significance
    is not asked for)."""

    prior: Prior
    break_even: float = 0.0
    advance_at: float = 0.8
    harm_margin: float = 0.0
    stop_at: float = 0.25
    levels: tuple[float, ...] = ()
    carry: bool = False

    def __post_init__(self) -> None:
        finite("break_even", self.break_even)
        probability("advance_at", self.advance_at)
        probability("stop_at", self.stop_at)
        if not finite("harm_margin", self.harm_margin) >= 0.0:
            raise InvalidNumber(name="harm_margin", value=self.harm_margin, must_be="not negative")
        for level in self.levels:
            probability("level", level)


@dataclass(frozen=True, slots=True)
class Stage:
    """``std_errors`` of the effect at each look of the stage, falling: later looks hold the earlier data."""

    std_errors: tuple[float, ...]

    def __post_init__(self) -> None:
        falling = all(b < a for a, b in zip(self.std_errors, self.std_errors[1:], strict=False))
        if not (self.std_errors and falling and all(math.isfinite(e) and e > 0.0 for e in self.std_errors)):
            raise InvalidNumber(name="std_errors", value=str(self.std_errors), must_be="positive and falling")


@dataclass(frozen=True, slots=True)
class Characteristic:
    """What the rule does when the true effect is ``effect``: the three outcomes add up to one.

    ``passed`` is, per stage, the probability to get through it; ``mean_looks`` the looks taken on average;
    ``mc_error`` the largest Monte Carlo standard error of the probabilities.
    """

    effect: float
    launched: float
    stopped: float
    undecided: float
    passed: tuple[float, ...]
    mean_looks: float
    mc_error: float


def operating_characteristics(
    rule: DecisionRule,
    stages: Sequence[Stage],
    effects: Sequence[float],
    *,
    seed: int,
    guardrail: Guardrail | None = None,
    simulations: int = 20_000,
) -> tuple[Characteristic, ...]:
    """The operating characteristics of ``rule`` for each true effect. The same random numbers serve every effect, so
    that rows differ by the effect alone. Assumes normal estimates with known errors."""
    at_least("simulations", simulations, 100)
    at_least("stages", len(stages), 1)
    if rule.levels and any(len(stage.std_errors) != len(rule.levels) for stage in stages):
        raise InvalidNumber(name="levels", value=len(rule.levels), must_be="one for each look of each stage")
    generator = np.random.Generator(np.random.PCG64(at_least("seed", seed, 0)))
    noise = [generator.standard_normal((2, len(stage.std_errors), simulations)) for stage in stages]
    return tuple(_characteristic(rule, stages, finite("effect", e), guardrail, noise) for e in effects)


def _characteristic(
    rule: DecisionRule, stages: Sequence[Stage], effect: float, guardrail: Guardrail | None, noise: Sequence[Floats]
) -> Characteristic:
    n = noise[0].shape[2]
    running, stopped = np.ones(n, dtype=np.bool_), np.zeros(n, dtype=np.bool_)
    mean, precision = np.full(n, rule.prior.mean), np.full(n, rule.prior.sd**-2)
    looks, passed = np.zeros(n), []
    for stage, normal in zip(stages, noise, strict=True):
        advanced = np.zeros(n, dtype=np.bool_)
        open_ = running.copy()
        estimates = _estimates(effect, stage, normal[0])
        guards = None if guardrail is None else _guard_holds(guardrail, stage, normal[1])
        for look, std_error in enumerate(stage.std_errors):
            looks += open_
            posterior_precision = precision + std_error**-2
            posterior_mean = (precision * mean + estimates[look] * std_error**-2) / posterior_precision
            stop, advance = _decide(rule, look, posterior_mean, posterior_precision, estimates[look] / std_error)
            if guards is not None:
                advance &= guards[look]
            stopped |= open_ & stop
            advanced |= open_ & advance & ~stop
            if rule.carry:
                ends = open_ & (stop | advance)
                mean = np.where(ends, posterior_mean, mean)
                precision = np.where(ends, posterior_precision, precision)
            open_ &= ~(stop | advance)
        running = advanced
        passed.append(float(running.mean()))
    launched, stop_share = float(running.mean()), float(stopped.mean())
    shares = (launched, stop_share, 1.0 - launched - stop_share)
    error = max(math.sqrt(max(p * (1.0 - p), 0.0) / n) for p in shares)
    return Characteristic(effect, *shares, tuple(passed), float(looks.mean()), error)


def _decide(rule: DecisionRule, look: int, mean: Floats, precision: Floats, z: Floats) -> tuple[Flags, Flags]:
    from scipy.special import ndtr, ndtri

    root = np.sqrt(precision)
    stop: Flags = ndtr((-rule.harm_margin - mean) * root) > rule.stop_at
    advance: Flags = ndtr((mean - rule.break_even) * root) >= rule.advance_at
    if rule.levels:
        advance &= z >= -float(ndtri(rule.levels[look] / 2.0))
    return stop, advance


def _estimates(effect: float, stage: Stage, normal: Floats) -> Floats:
    """(looks, n) estimates whose scores have independent increments: information adds up from look to look."""
    information = np.array([e**-2 for e in stage.std_errors])
    steps = np.diff(information, prepend=0.0)
    scores = np.cumsum(effect * steps[:, None] + np.sqrt(steps)[:, None] * normal, axis=0)
    estimates: Floats = scores / information[:, None]
    return estimates


def _guard_holds(guardrail: Guardrail, stage: Stage, normal: Floats) -> Flags:
    from scipy.special import ndtri

    errors = np.array(stage.std_errors)[:, None] * guardrail.error_ratio
    estimates = _estimates(guardrail.effect, Stage(tuple(float(e) for e in errors[:, 0])), normal)
    holds: Flags = (estimates + guardrail.margin) / errors >= -float(ndtri(guardrail.level))
    return holds
