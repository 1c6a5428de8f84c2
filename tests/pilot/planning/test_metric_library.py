"""The metric library: what the product defines is there, complete; what has no records is refused with why."""

import pytest

from experiments.measure.metrics import AssignmentUnit, MetricKind
from pilot.planning.errors import MetricDoesNotFit, UnknownMetric
from pilot.planning.metric_library import ENTRIES, LIBRARY_VERSION, NOT_IN_A_PLAN, Entry, Source
from pilot.planning.metrics import PROPOSALS, library_metric
from pilot.planning.plan import TOTALS, Leads, Plan
from tests.rules.house import ROOT


def test_every_entry_is_complete_and_every_kind_that_plans_measure_has_one() -> None:
    assert {entry.kind for entry in ENTRIES} - {None} == set(MetricKind)
    assert len({entry.code for entry in ENTRIES}) == len(ENTRIES)
    for entry in ENTRIES:
        assert all((entry.title, entry.definition, entry.formula, entry.pitfall, entry.owner)), entry.code
        assert entry.version >= 1
        assert (entry.source in NOT_IN_A_PLAN) == (entry.kind is None)


@pytest.mark.parametrize("entry", [entry for entry in ENTRIES if entry.how], ids=lambda entry: entry.code)
def test_the_method_that_an_entry_names_has_a_page(entry: Entry) -> None:
    assert (ROOT / "docs" / "methods" / f"{entry.how}.md").is_file()


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("enrolment", "who was asked and who joined"),
        ("redemption_rate", "what was issued and redeemed"),
        ("reply_time", "service checks by shift"),
        ("share_of_wallet", "import them"),
        ("subsidised_share", "a report reckons it by itself"),
    ],
)
def test_a_metric_whose_records_are_not_there_is_refused_with_what_it_needs(code: str, words: str) -> None:
    with pytest.raises(MetricDoesNotFit, match=words):
        library_metric(code)


def test_a_code_that_nobody_knows_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(UnknownMetric, match="store_total"):
        library_metric("happiness")


def test_each_objective_proposes_what_a_plan_of_stores_can_measure_and_says_why() -> None:
    for proposal in PROPOSALS.values():
        assert proposal.primary in TOTALS
        assert proposal.leads is Leads.STORE_TOTALS
        codes = [proposal.primary, *proposal.secondary, *(guard.metric for guard in proposal.guardrails)]
        assert len(set(codes)) == len(codes)
        for code in codes:
            library_metric(code).metric.require_measurable(AssignmentUnit.STORE)
        assert {"primary", "leads", "windows", "weeks", *proposal.secondary} <= set(proposal.reasons)
        assert all(0 < guard.margin_share < 1 and str(guard.reason) for guard in proposal.guardrails)


def test_a_new_plan_is_written_with_the_version_of_the_library() -> None:
    assert Plan(pilot="p", program="c").metrics_version == LIBRARY_VERSION
    assert Source.PLAN not in NOT_IN_A_PLAN
