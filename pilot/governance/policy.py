"""The policy as a value: who must sign what, by how far a stage goes, the money at risk, and the class of risk.

Rows are read from the top; the first that fits a stage says how many must sign. The policy that is delivered is
``AS_DELIVERED``; an administrator's changes are kept as versions of its canonical text.
"""

import json
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Annotated

from pydantic import Field, ValidationError, model_validator

from pilot.canonical import canonical_text, sha256_hex
from pilot.governance.errors import PolicyDoesNotFit
from pilot.planning.plan import ALL_UNITS, REGION_PREFIX, Plan, StagePlan
from pilot.planning.plan_parts import Minor, Part
from pilot.planning.proofs import SignOffs
from pilot.programs.errors import first_problem
from pilot.programs.exact import Whole
from pilot.programs.mechanics import Mechanic
from pilot.words import N_, Message

Count = Annotated[Whole, Field(ge=1, le=9)]
TWO = 2


class Scope(StrEnum):
    """How far a stage goes: some stores, whole regions, the network."""

    PILOT = "pilot"
    REGION = "region"
    NETWORK = "network"


class Risk(StrEnum):
    """The class of risk of a program, by its riskiest mechanic."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


SCOPES: dict[Scope, Message] = {
    Scope.PILOT: Message("scope_pilot", N_("Some stores")),
    Scope.REGION: Message("scope_region", N_("Regions")),
    Scope.NETWORK: Message("scope_network", N_("The whole network")),
}
RISKS: dict[Risk, Message] = {
    Risk.LOW: Message("risk_low", N_("Low")),
    Risk.MEDIUM: Message("risk_medium", N_("Medium")),
    Risk.HIGH: Message("risk_high", N_("High")),
}


class PolicyRow(Part):
    """One rule: a stage of this ``scope`` and class of ``risk`` (None: any) that puts at most ``money_up_to_minor`` at
    risk (None: any amount) needs so many analysts to co-sign, executives to approve, and executives to decide."""

    scope: Scope
    risk: Risk | None = None
    money_up_to_minor: Minor | None = None
    cosigns: Count = 1
    approvals: Count = 1
    decisions: Count = 1

    def fits(self, scope: Scope, risk: Risk, money_minor: int | None) -> bool:
        """Whether the row is about such a stage. Money that nobody knows counts as more than any limit."""
        within = self.money_up_to_minor is None or (money_minor is not None and money_minor <= self.money_up_to_minor)
        return self.scope is scope and self.risk in (None, risk) and within

    @property
    def sign_offs(self) -> SignOffs:
        """What planning asks for."""
        return SignOffs(self.cosigns, self.approvals)


class Policy(Part):
    """The rows, the class of each mechanic, and for how many days a signature holds until a stage starts."""

    rows: Annotated[tuple[PolicyRow, ...], Field(min_length=1, max_length=60)]
    risks: dict[Mechanic, Risk]
    valid_days: Annotated[Whole, Field(ge=1, le=3650)] = 180

    @model_validator(mode="after")
    def _complete(self) -> "Policy":
        if set(self.risks) != set(Mechanic):
            raise ValueError(N_("every mechanic has a class of risk"))
        for scope in Scope:
            for risk in Risk:
                if not any(row.fits(scope, risk, None) for row in self.rows):
                    raise ValueError(N_("every reach and class of risk needs a row without a limit of money"))
        if any(row.scope is Scope.NETWORK and min(row.approvals, row.decisions) < TWO for row in self.rows):
            raise ValueError(N_("going to the whole network takes two executives, to approve and to decide"))
        return self

    @classmethod
    def from_document(cls, document: Mapping[str, object]) -> "Policy":
        """Read a JSON document; ``PolicyDoesNotFit`` says what is wrong."""
        try:
            return cls.model_validate(document)
        except ValidationError as error:
            where, problem = first_problem(error)
            raise PolicyDoesNotFit(field=where.replace("terms", "policy"), problem=problem) from None

    @classmethod
    def from_text(cls, text: str) -> "Policy":
        return cls.from_document(json.loads(text))

    def text(self) -> str:
        """The canonical text of the policy."""
        return canonical_text(self.model_dump(mode="json"))

    def hash(self) -> str:
        return sha256_hex(self.text())

    def row_for(self, scope: Scope, risk: Risk, money_minor: int | None) -> PolicyRow:
        """The first row that fits; a policy is complete, so there is one."""
        return next(row for row in self.rows if row.fits(scope, risk, money_minor))

    def risk_of(self, mechanics: Iterable[str]) -> Risk:
        """The highest class among the mechanics; without any offer the lowest."""
        order = list(Risk)
        classes = [self.risks[Mechanic(mechanic)] for mechanic in mechanics]
        return max(classes, key=order.index, default=Risk.LOW)


def scope_of(plan: Plan, stage: StagePlan) -> Scope:
    """How far a stage goes by the plan's own words."""
    if stage.is_network:
        return Scope.NETWORK
    whole = any(unit == ALL_UNITS or unit.startswith(REGION_PREFIX) for unit in stage.units)
    return Scope.REGION if whole or plan.unit.value == "region" else Scope.PILOT


# Promises that outlive a pilot, or that customers have paid for, are the hardest to take back.
_HIGH = (Mechanic.TIER_CARD, Mechanic.CLUB_MEMBERSHIP, Mechanic.CLOSED_ACCESS)
_MEDIUM = (Mechanic.CUMULATIVE_BONUS, Mechanic.PROGRESSIVE_SCALE, Mechanic.GIFT_OR_DRAW, Mechanic.PRIVILEGED_TERMS)

AS_DELIVERED = Policy(
    rows=(
        PolicyRow(scope=Scope.PILOT, money_up_to_minor=50_000_00),
        PolicyRow(scope=Scope.PILOT, approvals=2),
        PolicyRow(scope=Scope.REGION, risk=Risk.HIGH, approvals=2),
        PolicyRow(scope=Scope.REGION, money_up_to_minor=500_000_00),
        PolicyRow(scope=Scope.REGION, approvals=2),
        PolicyRow(scope=Scope.NETWORK, approvals=2, decisions=2),
    ),
    risks={
        mechanic: Risk.HIGH if mechanic in _HIGH else Risk.MEDIUM if mechanic in _MEDIUM else Risk.LOW
        for mechanic in Mechanic
    },
)
