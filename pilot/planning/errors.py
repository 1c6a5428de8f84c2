"""The rules of planning that can be broken, one error each: what, which one, and what would do."""

from pilot.errors import Refused
from pilot.words import N_


class IllegalMove(Refused):
    code = "illegal_move"
    template = N_("{subject} is {state} and cannot become {to}; from here it can become: {allowed}.")


class NotADraft(Refused):
    code = "not_a_draft"
    template = N_("The plan of {pilot} is {state}: it can be edited as a draft only. Send it back or amend it.")


class NothingSubmitted(Refused):
    code = "nothing_submitted"
    template = N_("{pilot} has no submitted plan.")


class NotSealed(Refused):
    code = "not_sealed"
    template = N_("The plan of {pilot} is not sealed: it needs an analyst's co-sign and an executive's approval.")


class UnchangedPlan(Refused):
    code = "unchanged_plan"
    template = N_("The amendment changes nothing in the plan of {pilot}.")


class PlanMovedOn(Refused):
    """Something changed while the plan was being checked against the network's history."""

    code = "plan_moved_on"
    template = N_("The plan of {pilot}, its offers or its segments have changed while it was checked. Send it again.")


class ReasonMissing(Refused):
    code = "reason_missing"
    template = N_("Write the reason: it stays in the log and reaches the others.")


class AmendmentTouchesStartedStage(Refused):
    code = "amendment_touches_started_stage"
    template = N_(
        "Stage {stage} has started: an amendment may only change later stages, but “{path}” would change. "
        "Stop the pilot and plan a new one if this stage must change."
    )


class SignOffMissing(Refused):
    code = "sign_off_missing"
    template = N_("{pilot} needs {kind} on exactly this plan (hash {hash}), and there is none.")


class OwnPlan(Refused):
    code = "own_plan"
    template = N_("Nobody signs off their own plan: {pilot} belongs to the person who wants to sign.")


class TwoPeopleNeeded(Refused):
    code = "two_people_needed"
    template = N_("{pilot} would go network-wide: that needs the decisions of two different executives.")


class StageOutOfTurn(Refused):
    code = "stage_out_of_turn"
    template = N_("Stage {stage} is not the one to do: the current stage of {pilot} is {current}.")


class NoSuchStage(Refused):
    code = "no_such_stage"
    template = N_("{pilot} has no stage {stage}; its stages are {known}.")


class StartPassed(Refused):
    code = "start_passed"
    template = N_(
        "Stage {stage} of {pilot} was to start on {starts_on:date} and today is {today:date}: amend its start, for it "
        "counts from that day."
    )


class WindowStillOpen(Refused):
    code = "window_still_open"
    template = N_(
        "Stage {stage} of {pilot} runs until {ends_on:date}; today is {today:date}. Its gate opens on the day after."
    )


class NoLookLeft(Refused):
    code = "no_look_left"
    template = N_("Stage {stage} of {pilot} has taken all its {looks} planned looks: it cannot be extended again.")


class PlanUnreadable(Refused):
    code = "plan_unreadable"
    template = N_("The plan cannot be read: {field}: {problem}.")


class PlanIncomplete(Refused):
    code = "plan_incomplete"
    template = N_("The plan is not complete: {what} is missing.")


class VariantsDoNotFit(Refused):
    code = "variants_do_not_fit"
    template = N_("The variants of the plan do not fit: {problem}.")


class VariantNotInProgram(Refused):
    code = "variant_not_in_program"
    template = N_("Program “{program}” has no variant {variants}: add it there or take it out of the plan.")


class OfferMissing(Refused):
    code = "offer_missing"
    template = N_("Variant “{variant}” has no offer{where}: give it one in program “{program}”.")


class MechanismDoesNotFit(Refused):
    code = "mechanism_does_not_fit"
    template = N_("The mechanism {mechanism} does not fit: {problem}.")


class UnknownMetric(Refused):
    code = "unknown_metric"
    template = N_("There is no metric “{metric}”. The library has: {known}.")


class SubgroupDoesNotFit(Refused):
    code = "subgroup_does_not_fit"
    template = N_("No group “{group}” can be looked at by plan. There are: {known}.")


class MetricDoesNotFit(Refused):
    code = "metric_does_not_fit"
    template = N_("The metric “{metric}” does not fit: {problem}.")


class WrongLead(Refused):
    code = "wrong_lead"
    template = N_("The wrong metric would lead: {problem}.")


class StagesDoNotFit(Refused):
    code = "stages_do_not_fit"
    template = N_("Stage {stage} does not fit: {problem}.")


class UnknownUnits(Refused):
    code = "unknown_units"
    template = N_("Stage {stage} names stores or regions that the network does not have: {names}.")


class UnknownPlaces(Refused):
    code = "unknown_places"
    template = N_("The plan names stores or regions that the network does not have ({where}): {names}.")


class TooLittleHistory(Refused):
    code = "too_little_history"
    template = N_(
        "There are no receipts from {first:date} to {last:date} in the stores of stage {stage}: import them first."
    )


class DesignRefused(Refused):
    code = "design_refused"
    template = N_(
        "With {n_units} units the smallest p-value that stage {stage} can ever give is {smallest_p:.4f}, above the "
        "level {level:.4f} of its last look: add units."
    )


class DesignRefusedManyLooks(DesignRefused):
    template = N_(
        "With {n_units} units the smallest p-value that stage {stage} can ever give is {smallest_p:.4f}, above the "
        "level {level:.4f} of its last look: add units or plan fewer looks."
    )


class EconomicsMissing(Refused):
    code = "economics_missing"
    template = N_(
        "The plan does not say what its money is reckoned with, so nothing says what its offers must bring. "
        "State the margin and the costs in the step “Money”."
    )


class RivalStoresDoNotFit(Refused):
    code = "rival_stores_do_not_fit"
    template = N_("The stores near the rival do not fit: {problem}.")


class WindDownDoesNotFit(Refused):
    code = "wind_down_does_not_fit"
    template = N_("The wind-down plan does not fit: {problem}. No program is launched without one.")


class CannotProveBreakEven(Refused):
    code = "cannot_prove_break_even"
    template = N_(
        "Stage {stage} sees a change of {smallest:.1%} of sales at the smallest, and the offer pays from "
        "{break_even:.1%} on: the design cannot prove its break-even. Take more stores or weeks, or ask an executive "
        "to accept by name that it cannot."
    )


class CannotProveBreakEvenBeside(CannotProveBreakEven):
    template = N_(
        "Stage {stage} sees a change of {smallest:.1%} of “{metric}” at the smallest – “{primary}” cannot be set "
        "against money –, and the offer pays from {break_even:.1%} on: the design cannot prove its break-even. Take "
        "more stores or weeks, or ask an executive to accept by name that it cannot."
    )


class BreakEvenUnknown(CannotProveBreakEven):
    code = "break_even_unknown"
    template = N_(
        "Nothing says that stage {stage} can prove its break-even. Mend what is missing, or ask an executive to "
        "accept by name that it cannot. The reason: {reason}"
    )


class OfferNeverPays(CannotProveBreakEven):
    code = "offer_never_pays"
    template = N_(
        "The offer of stage {stage} can never pay: {reason}. An executive may accept by name that it cannot prove its "
        "break-even."
    )


class MustIncludeStaysOut(Refused):
    code = "must_include_stays_out"
    template = N_(
        "The plan says that {unit} must take part in stage {stage}, and it cannot: {reason}. Take it from the list or "
        "remove what keeps it out."
    )


class StageInBlackout(Refused):
    code = "stage_in_blackout"
    template = N_(
        "Stage {stage} runs from {first:date} to {last:date}, and from {blackout_first:date} to {blackout_last:date} "
        "nothing is tried in any of its stores (“{name}”). Move the stage."
    )


class MechanicNotInProgram(Refused):
    code = "mechanic_not_in_program"
    template = N_(
        "Program “{program}” gives no {mechanic}; it gives {known}. Choose another mechanic, or a new program for it."
    )


class NothingToAmend(Refused):
    code = "nothing_to_amend"
    template = N_("No amendment of {pilot} is being written.")


class EventEndsBeforeItBegins(Refused):
    code = "event_ends_before_it_begins"
    template = N_("“{name}” ends on {last:date}, before it begins on {first:date}.")


class EventElsewhere(Refused):
    code = "event_elsewhere"
    template = N_("“{name}” names places that the network does not have: {places}.")


class NoDesignThere(Refused):
    code = "no_design_there"
    template = N_("The search found no design number {rank} for stage {stage}. Search again: the draft has changed.")
