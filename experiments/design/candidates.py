"""Who may be drawn and for what: candidates with whole-number covariates, and the shares of the variants."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from experiments.errors import DuplicateUnit, InvalidCandidate, InvalidShares

CONTROL = "control"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A unit that may be drawn. Covariates are whole numbers (minor units, counts, parts per million)."""

    code: str
    stratum: str | None
    covariates: Mapping[str, int]

    def __post_init__(self) -> None:
        if not self.code:
            raise InvalidCandidate(unit=self.code, must_be="its code must not be empty")
        for name, value in self.covariates.items():
            if isinstance(value, bool) or not isinstance(value, int):
                raise InvalidCandidate(
                    unit=self.code, must_be=f"covariate {name} must be a whole number, not {value!r}"
                )


@dataclass(frozen=True, slots=True)
class Share:
    """The weight of one variant in the draw: weights 1 and 1 are halves, 3 and 1 are three quarters and a quarter."""

    variant: str
    weight: int

    def __post_init__(self) -> None:
        if isinstance(self.weight, bool) or not isinstance(self.weight, int) or self.weight < 1:
            raise InvalidShares(
                shares=f"{self.variant}: {self.weight}", must_be="a weight is a whole number, at least 1"
            )


def shares_text(shares: Sequence[Share]) -> str:
    """The shares as people write them."""
    return ", ".join(f"{share.variant}: {share.weight}" for share in shares)


def check_shares(shares: Sequence[Share]) -> None:
    """``InvalidShares`` unless control comes first, a variant follows, and each has a name of its own."""
    variants = [share.variant for share in shares]
    if len(variants) < 2:
        raise InvalidShares(shares=shares_text(shares), must_be="a draw needs control and at least one variant")
    if variants[0] != CONTROL:
        raise InvalidShares(shares=shares_text(shares), must_be=f"the first variant must be {CONTROL!r}")
    if len(set(variants)) != len(variants) or not all(variants):
        raise InvalidShares(shares=shares_text(shares), must_be="each variant needs a name of its own")


def check_unique(codes: Sequence[str]) -> None:
    """``DuplicateUnit`` for a code that appears twice."""
    seen: set[str] = set()
    for code in codes:
        if code in seen:
            raise DuplicateUnit(unit=code)
        seen.add(code)
