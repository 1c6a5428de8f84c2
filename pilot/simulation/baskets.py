"""What is in the baskets of a simulated network: items, prices, VAT, discounts, cost and reward, in minor units."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats32 = npt.NDArray[np.float32]

_ITEMS_LOG_MEAN, _ITEMS_LOG_SD = 1.55, 0.9
_PRICE_LOG_MEAN, _PRICE_LOG_SD = 5.75, 0.45  # of minor units
_LEAST, _MOST = 40.0, 500_000.0
_FOOD_VAT, _OTHER_VAT = 0.14, 0.255
_ONLY_FOOD = 0.6
_DISCOUNTED, _LARGEST_DISCOUNT = 0.35, 0.25
_COST_FROM, _COST_SPREAD = 0.62, 0.16
_REWARD = 0.01
_FULL_RETURN = 0.3


@dataclass(frozen=True, slots=True)
class Baskets:
    """Columns by receipt. ``net`` is without VAT and after the discount; returns have negative numbers."""

    net: Ints
    vat: Ints
    discount: Ints
    cost: Ints
    reward: Ints
    n_items: Ints


def make_baskets(rng: np.random.Generator, scale: Floats32, is_identified: npt.NDArray[np.bool_]) -> Baskets:
    """Skewed baskets; ``scale`` is how large the customer's are. Rewards go to those who show a card."""
    n = len(scale)
    items = np.floor(_lognormal(rng, n, _ITEMS_LOG_MEAN, _ITEMS_LOG_SD) * scale) + np.float32(1)
    total = np.clip(items * _lognormal(rng, n, _PRICE_LOG_MEAN, _PRICE_LOG_SD), _LEAST, _MOST)
    share = _uniform(rng, n)
    rate = np.where(share < _ONLY_FOOD, _FOOD_VAT, _FOOD_VAT + (_OTHER_VAT - _FOOD_VAT) * share).astype(np.float32)
    # One draw decides whether there is a discount and, where there is one, how large it is.
    off = np.maximum(_uniform(rng, n) - (1 - _DISCOUNTED), 0) * np.float32(_LARGEST_DISCOUNT / _DISCOUNTED)
    discount = (total * off).astype(np.int64)
    paid = total.astype(np.int64) - discount
    vat = (paid * (rate / (1 + rate))).astype(np.int64)
    net = paid - vat
    cost = (net * (_COST_FROM + _COST_SPREAD * _uniform(rng, n))).astype(np.int64)
    reward = np.where(is_identified, (paid * _REWARD).astype(np.int64), 0)
    return Baskets(net, vat, discount, cost, reward, items.astype(np.int64))


def give_back(rng: np.random.Generator, sold: Baskets) -> Baskets:
    """What is given back of each of these sales: all of some, a part of most."""
    n = len(sold.net)
    share = np.where(rng.random(n) < _FULL_RETURN, 1.0, rng.random(n))
    part = {name: -np.ceil(getattr(sold, name) * share).astype(np.int64) for name in ("net", "vat", "cost", "reward")}
    n_items = -np.maximum(np.rint(sold.n_items * share), 1).astype(np.int64)
    return Baskets(**part, discount=np.zeros(n, np.int64), n_items=n_items)


def _uniform(rng: np.random.Generator, n: int) -> Floats32:
    return rng.random(n, dtype=np.float32)


def _lognormal(rng: np.random.Generator, n: int, log_mean: float, log_sd: float) -> Floats32:
    drawn = rng.standard_normal(n, dtype=np.float32)
    drawn *= np.float32(log_sd)
    drawn += np.float32(log_mean)
    return np.exp(drawn, out=drawn)
