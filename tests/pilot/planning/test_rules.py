"""Plans that make no sense are refused by the rule they break, with what would do."""

from typing import Any

import pytest

from pilot.planning.errors import (
    EconomicsMissing,
    MechanismDoesNotFit,
    MetricDoesNotFit,
    OfferMissing,
    PlanIncomplete,
    RivalStoresDoNotFit,
    StagesDoNotFit,
    SubgroupDoesNotFit,
    UnknownMetric,
    VariantsDoNotFit,
    WrongLead,
)
from pilot.planning.metrics import PROPOSALS, library, library_metric
from pilot.planning.plan import Plan
from pilot.planning.rules import problems, require_sense
from pilot.programs.errors import UnknownSegment
from tests.pilot.planning.a_network import a_document, a_stage

CARD = {"mechanic": "cumulative_bonus", "terms": {}, "enrolment": {}}
EVERYBODY = {"mechanic": "fixed_discount", "terms": {}, "enrolment": {"form_fields": []}}
TWO = [{"code": "control"}, {"code": "points"}]
THREE = [*TWO, {"code": "tiers"}]


def an_offer(variant: str = "points", segment: str | None = None, **what: Any) -> dict[str, Any]:
    return {"code": f"card.{variant}", "variant": variant, "segment": segment, "name": "Offer", **(what or CARD)}


def a_plan(**changes: Any) -> Plan:
    return Plan.from_document({"pilot": "p", "program": "card", **a_document(offers=[an_offer()]), **changes})


def test_the_plan_that_the_tests_use_makes_sense() -> None:
    assert problems(a_plan()) == ()


CUSTOMERS = {
    "unit": "customer",
    "leads": "customers",
    "primary": "spend_per_customer",
    "mechanism": {"kind": "complete"},
}


DEFENDS = {"objective": "defend", "rival_stores": ["S01", "S02"]}


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"hypothesis": " "}, PlanIncomplete, "hypothesis"),
        ({"stages": []}, PlanIncomplete, "a stage"),
        ({"variants": [{"code": "control"}]}, VariantsDoNotFit, "at least one other"),
        ({"variants": [{"code": "points"}, {"code": "control"}]}, VariantsDoNotFit, "first variant must be control"),
        ({"variants": [*TWO, {"code": "points"}]}, VariantsDoNotFit, "twice"),
        ({"offers": []}, OfferMissing, "points"),
        ({"offers": [an_offer(segment="young")]}, UnknownSegment, "young"),
        ({"segments": ["young"]}, UnknownSegment, "young"),
        ({"variants": THREE, "offers": [an_offer(), an_offer("tiers")]}, MechanismDoesNotFit, "exactly two variants"),
        ({"mechanism": {"kind": "matched_pairs"}}, MechanismDoesNotFit, "what the pairs are matched on"),
        ({"mechanism": {"kind": "matched_pairs", "match_on": ["mood"]}}, MechanismDoesNotFit, "net_minor_per_week"),
        (
            {"mechanism": {"kind": "complete", "match_on": ["receipts_per_week"]}},
            MechanismDoesNotFit,
            "only matched pairs",
        ),
        ({"mechanism": {"kind": "stratified"}, "unit": "region"}, MechanismDoesNotFit, "regions have no strata"),
        ({"mechanism": {"kind": "bernoulli_hash"}}, MechanismDoesNotFit, "for customers"),
        ({**CUSTOMERS, "mechanism": a_document()["mechanism"]}, MechanismDoesNotFit, "pairs are for stores"),
        ({"secondary": ["happiness"]}, UnknownMetric, "store_total"),
        ({"secondary": ["store_total"]}, MetricDoesNotFit, "twice"),
        ({**CUSTOMERS, "secondary": ["store_total"]}, MetricDoesNotFit, "cannot be split"),
        ({**CUSTOMERS, "primary": "repeat_purchase_90d"}, MetricDoesNotFit, "not over at the first look"),
        ({**CUSTOMERS, "leads": "store_totals"}, WrongLead, "customers lead"),
        ({"primary": "purchase_frequency"}, WrongLead, "primary metric is the store total or sales from outside"),
        ({"leads": "customers"}, WrongLead, "one of customers"),
        ({"leads": "customers", "primary": "purchase_frequency"}, WrongLead, "tied to showing a card"),
        ({"stages": [a_stage(2)]}, StagesDoNotFit, "numbered"),
        ({"stages": [a_stage(looks=2)]}, StagesDoNotFit, "weeks that an extension adds"),
        ({"stages": [a_stage(extension_weeks=4)]}, StagesDoNotFit, "second look"),
        ({"stages": [a_stage(gate=[])]}, StagesDoNotFit, "must demand something"),
        ({"stages": [a_stage(units=["S01", "S01"])]}, StagesDoNotFit, "twice"),
        ({"stages": [a_stage(units=["all", "S01"])]}, StagesDoNotFit, "stands alone"),
        ({"objective": "defend"}, RivalStoresDoNotFit, "declared before the start"),
        ({"rival_stores": ["S01"]}, RivalStoresDoNotFit, "only a pilot that defends"),
        ({**DEFENDS, "stages": [a_stage()]}, RivalStoresDoNotFit, "stage 1 also takes all"),
        (
            {**DEFENDS, "stages": [a_stage(units=["S01"]), a_stage(2, units=["S02", "S07"])]},
            RivalStoresDoNotFit,
            "stage 2 also takes S07",
        ),
        ({**CUSTOMERS, **DEFENDS, "stages": [a_stage(units=["S01"])]}, RivalStoresDoNotFit, "customers have no store"),
        (
            {**DEFENDS, "unit": "region", "mechanism": {"kind": "complete"}, "stages": [a_stage(units=["NORTH"])]},
            RivalStoresDoNotFit,
            "a whole region",
        ),
        ({"economics": None}, EconomicsMissing, "the step “Money”"),
        ({"holdout": ["S01"], "stages": [a_stage(units=["S01", "S02"])]}, StagesDoNotFit, "holdout"),
        ({"stages": [a_stage(is_network=True), a_stage(2)]}, StagesDoNotFit, "last stage"),
        ({"stages": [a_stage(weeks=30), a_stage(2)]}, StagesDoNotFit, "must start after"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(changes: dict[str, Any], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        require_sense(a_plan(**changes))


def test_every_rule_speaks_for_itself_so_that_a_form_shows_all_at_once() -> None:
    codes = [problem.code for problem in problems(a_plan(hypothesis="", secondary=["happiness"], offers=[]))]
    assert codes == ["plan_incomplete", "offer_missing", "unknown_metric"]


def test_customers_may_lead_where_the_offer_is_for_everybody() -> None:
    plan = a_plan(leads="customers", primary="purchase_frequency", offers=[an_offer(**EVERYBODY)])
    assert problems(plan) == ()
    asked = an_offer(**{**EVERYBODY, "enrolment": {"form_fields": ["phone"]}})
    with pytest.raises(WrongLead):
        require_sense(a_plan(leads="customers", primary="purchase_frequency", offers=[asked]))


def test_customers_can_be_drawn_when_the_metric_is_theirs() -> None:
    assert problems(a_plan(**CUSTOMERS)) == ()


def test_every_objective_proposes_metrics_of_the_library_led_by_store_totals() -> None:
    for proposal in PROPOSALS.values():
        assert proposal.primary in ("store_total", "sales_outside_list")
        assert all(library_metric(code).code == code for code in proposal.secondary)


def test_the_library_has_words_for_every_metric() -> None:
    for metric in library():
        assert str(metric.title)
        assert str(metric.formula)
        assert str(metric.pitfall)
    assert str(library_metric("retention_61_90d").title) == "Retention, days 61 to 90"


def test_a_draw_with_a_criterion_is_refused_by_name_until_a_plan_can_state_one() -> None:
    with pytest.raises(MechanismDoesNotFit, match=r"“rerandomized”.*criterion"):
        require_sense(a_plan(mechanism={"kind": "rerandomized"}))


def test_a_group_that_is_not_there_cannot_be_looked_at_by_plan() -> None:
    for group in ("segment:nobody", "size:medium", "young", "region"):
        with pytest.raises(SubgroupDoesNotFit, match="size:large"):
            require_sense(a_plan(subgroups=[group]))
    assert problems(a_plan(subgroups=["region:R01", "size:small"])) == ()
