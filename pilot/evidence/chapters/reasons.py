"""What chapters on stores and regions share: whom they are for, and a reason in place of a number."""

from collections.abc import Callable
from typing import Any, ParamSpec

from experiments.errors import NotEstimable
from experiments.messages import N_
from experiments.messages import Message as ExperimentMessage
from pilot.evidence.chapters.inputs import ChapterInputs
from pilot.planning.metrics import in_our_words

REFUSAL = "refusal"
EXPLORATORY = "exploratory"  # the stamp of what the plan did not name, in documents and exports
FEWEST_CUSTOMERS = 5
Given = ParamSpec("Given")
_CUSTOMERS = ExperimentMessage(
    "chapter_needs_stores",
    N_(
        "customers were drawn one by one, and this chapter compares stores or regions; it can be read where those are "
        "drawn"
    ),
    {},
)


_FEW = ExperimentMessage(
    "few_customers",
    N_("{treated} treated and {control} control customers are too few to tell of; {needed} are needed in each arm"),
    {},
)


def require_stores(inputs: ChapterInputs) -> None:
    """Raise ``NotEstimable`` where customers were drawn."""
    if inputs.population.customers is not None:
        raise NotEstimable(_CUSTOMERS)


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
