"""Purchases: the BG/NBD model of repeat purchases without a contract. Descriptive: it is not an effect and has no arm.

While active a customer buys at a Poisson rate λ ~ Gamma(r, α); after each purchase he stops for good with probability
p ~ Beta(a, b). A customer is his number of repeat purchases x, the time t_x of the last one and the time T since the
first, all in one unit (weeks).

    L = B(a, b + x) / B(a, b) · Γ(r + x) α^r / Γ(r) · [ (α + T)^−(r+x) + 1{x > 0} a / (b + x − 1) (α + t_x)^−(r+x) ]

Reference: Fader, Hardie and Lee (2005), "Counting Your Customers" the Easy Way, Marketing Science 24.
"""

from dataclasses import dataclass

import numpy as np

from experiments.errors import InvalidNumber, NotEstimable
from experiments.estimate.unit_table import Floats
from experiments.messages import N_, Message

_ITERATIONS = 500

DESCRIPTIVE = Message(
    "descriptive_only",
    N_("a model of what customers do by themselves: it describes, and says nothing about the effect of an offer"),
    {},
)


@dataclass(frozen=True, slots=True)
class PurchaseModel:
    """The four parameters, their log-likelihood and the number of customers; ``label`` says what it is not."""

    r: float
    alpha: float
    a: float
    b: float
    log_likelihood: float
    n_customers: int
    label: Message = DESCRIPTIVE

    def expected_purchases(self, time: float) -> float:
        """E[X(t)]: repeat purchases of a new customer in ``time`` after the first purchase.

        (a + b − 1) / (a − 1) · [1 − (α / (α + t))^r ₂F₁(r, b; a + b − 1; t / (α + t))].
        """
        from scipy.special import hyp2f1

        _times(np.array([time]))
        a, b, z = self.a, self.b, time / (self.alpha + time)
        ratio = (self.alpha / (self.alpha + time)) ** self.r
        return float((a + b - 1.0) / (a - 1.0) * (1.0 - ratio * hyp2f1(self.r, b, a + b - 1.0, z)))

    def probability_alive(self, x: Floats, t_x: Floats, total: Floats) -> Floats:
        """P(still active) of customers with ``x`` repeat purchases, the last at ``t_x``, seen for ``total``."""
        bought, last, seen = _customers(x, t_x, total)
        log_odds = (self.r + bought) * np.log((self.alpha + seen) / (self.alpha + last))
        gone = np.where(bought > 0.0, self.a / np.maximum(self.b + bought - 1.0, 1e-300) * np.exp(log_odds), 0.0)
        alive: Floats = 1.0 / (1.0 + gone)
        return alive

    def expected_of_customer(self, time: float, x: float, t_x: float, total: float) -> float:
        """E[repeat purchases in the next ``time`` | x, t_x, T] of one customer."""
        from scipy.special import hyp2f1

        alive = float(self.probability_alive(np.array([x]), np.array([t_x]), np.array([total]))[0])
        _times(np.array([time]))
        a, b, r, alpha = self.a, self.b, self.r, self.alpha
        z, ratio = time / (alpha + total + time), ((alpha + total) / (alpha + total + time)) ** (r + x)
        head = (a + b + x - 1.0) / (a - 1.0)
        body = 1.0 - ratio * float(hyp2f1(r + x, b + x, a + b + x - 1.0, z))
        return float(head * body * alive)


def fit_purchases(x: Floats, t_x: Floats, total: Floats) -> PurchaseModel:
    """The model by maximum likelihood from one entry per customer: repeat purchases ``x``, time of the last ``t_x`` (0
    where x = 0), time seen ``total``. All customers count, those without a repeat purchase too.

    Raises ``NotEstimable`` when nobody bought again or the likelihood has no maximum inside.
    """
    from scipy.optimize import minimize

    bought, last, seen = _customers(x, t_x, total)
    if not bought.any():
        raise NotEstimable(Message("no_repeat_purchases", N_("no customer bought again; nothing can be fitted"), {}))
    scale = float(seen.mean())  # times in mean times seen: parameters of like size
    rows, counts = np.unique(np.column_stack([bought, last / scale, seen / scale]), axis=0, return_counts=True)

    def loss(log_parameters: Floats) -> float:
        return -float((counts * _log_likelihood(np.exp(log_parameters), rows)).sum()) / len(bought)

    start, best = np.zeros(4), None
    for _ in range(5):  # Nelder and Mead, begun again from where it stopped until it stays
        found = minimize(
            loss, start, method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-13, "maxiter": 4 * _ITERATIONS}
        )
        if best is not None and best - found.fun < 1e-12:
            break
        start, best = found.x, float(found.fun)
    r, alpha, a, b = (float(v) for v in np.exp(found.x))
    if max(np.abs(found.x)) > 12.0 or not np.isfinite(found.fun):
        raise NotEstimable(
            Message("no_inner_maximum", N_("the likelihood of {n} customers has no maximum inside"), {"n": len(bought)})
        )
    log_likelihood = -float(found.fun) * len(bought) - float(bought.sum()) * np.log(scale)
    return PurchaseModel(r, alpha * scale, a, b, float(log_likelihood), len(bought))


def _log_likelihood(parameters: Floats, rows: Floats) -> Floats:
    from scipy.special import betaln, gammaln

    r, alpha, a, b = parameters
    x, last, seen = rows.T
    alive = -(r + x) * np.log(alpha + seen)
    gone = np.where(
        x > 0.0, np.log(a) - np.log(np.maximum(b + x - 1.0, 1e-300)) - (r + x) * np.log(alpha + last), -np.inf
    )
    total: Floats = (
        betaln(a, b + x) - betaln(a, b) + gammaln(r + x) - gammaln(r) + r * np.log(alpha) + np.logaddexp(alive, gone)
    )
    return total


def _customers(x: Floats, t_x: Floats, total: Floats) -> tuple[Floats, Floats, Floats]:
    bought, last, seen = (np.asarray(v, dtype=np.float64) for v in (x, t_x, total))
    if not len(bought) == len(last) == len(seen) > 0:
        raise InvalidNumber(name="customers", value=len(bought), must_be="the same number in each column, at least one")
    for values in (bought, last, seen):
        _times(values)
    if bool((last > seen).any()) or bool(((bought == 0.0) & (last > 0.0)).any()):
        raise InvalidNumber(name="t_x", value="a customer", must_be="at most T, and 0 without a repeat purchase")
    return bought, last, seen


def _times(values: Floats) -> None:
    if not (np.isfinite(values).all() and float(values.min()) >= 0.0):
        raise InvalidNumber(name="x, t_x, T", value="a customer", must_be="finite and not negative")
