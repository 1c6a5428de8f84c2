"""What chapters share: of how many customers something is told, and a reason in place of a number."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, ParamSpec

from experiments.errors import NotEstimable
from experiments.estimate.estimate import Estimate
from experiments.messages import N_
from experiments.messages import Message as ExperimentMessage
from pilot.evidence.chapters.inputs import ChapterInputs
from pilot.planning.metrics import in_our_words

REFUSAL = "refusal"
EXPLORATORY = "exploratory"  # the stamp of what the plan did not name, in documents and exports
FEWEST_CUSTOMERS = 5
Given = ParamSpec("Given")
_FEW = ExperimentMessage(
    "few_customers",
    N_("{treated} treated and {control} control customers are too few to tell of; {needed} are needed in each arm"),
    {},
)


def named(*, declared: bool) -> dict[str, Any]:
    """Whether the plan named something; the stamp where it did not."""
    return {"declared": True} if declared else {"declared": False, "stamp": EXPLORATORY}


def customers(control: int, treated: int) -> dict[str, int]:
    """Both arms, and under ``customers`` the smaller of them: exports leave out what would be told of a few people."""
    return {"customers": min(control, treated), "customers_control": control, "customers_treated": treated}


def require_enough(control: int, treated: int) -> None:
    """Raise ``NotEstimable`` where an arm has so few customers that their mean would tell of people."""
    if min(control, treated) < FEWEST_CUSTOMERS:
        values = {"control": control, "treated": treated, "needed": FEWEST_CUSTOMERS}
        raise NotEstimable(ExperimentMessage(_FEW.code, _FEW.template, values))


def or_reason(compute: Callable[Given, dict[str, Any]], *args: Given.args, **kwargs: Given.kwargs) -> dict[str, Any]:
    """What ``compute`` finds, or why it cannot be estimated."""
    try:
        return compute(*args, **kwargs)
    except NotEstimable as refused:
        return {REFUSAL: in_our_words(refused.message).to_dict()}


def identification_of(inputs: ChapterInputs, variant: str) -> str | None:
    """What the check of identification says of this variant ("ok", "warn"); None where it was not made."""
    checks = inputs.analysis.diagnostics
    return next((c.status.value for c in checks if c.check == "identification" and c.variant == variant), None)


def divided(estimate: Estimate, by: float) -> Estimate:
    """The same estimate in a unit that is so many times larger."""
    low, high = (None if end is None else end / by for end in estimate.interval)
    return replace(
        estimate,
        effect=estimate.effect / by,
        std_error=estimate.std_error / by,
        interval=(low, high),
        mean_control=estimate.mean_control / by,
        mean_variant=estimate.mean_variant / by,
    )
