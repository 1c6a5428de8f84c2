"""What governance writes to people: to the author above all, with the reason."""

from collections.abc import Sequence

from pilot.governance.model import Choice
from pilot.words import N_, Message

_CHOSEN: dict[Choice, str] = {
    Choice.APPROVE: N_("Stage {stage} of “{pilot}” was advanced by {who}: {reason}"),
    Choice.APPROVE_SOME: N_("Stage {stage} of “{pilot}” was advanced in {regions} by {who}: {reason}"),
    Choice.EXTEND: N_("Stage {stage} of “{pilot}” was extended by {who}: {reason}"),
    Choice.SEND_BACK: N_("The report on stage {stage} of “{pilot}” was sent back by {who}: {reason}"),
    Choice.STOP: N_("“{pilot}” was stopped at stage {stage} by {who}: {reason}"),
}
_PROPOSED: dict[Choice, str] = {
    Choice.APPROVE: N_("{who} would advance stage {stage} of “{pilot}”; a second executive has to agree: {reason}"),
    Choice.APPROVE_SOME: N_(
        "{who} would advance stage {stage} of “{pilot}” in {regions}; a second executive has to agree: {reason}"
    ),
    Choice.EXTEND: N_("{who} would extend stage {stage} of “{pilot}”; a second executive has to agree: {reason}"),
    Choice.STOP: N_("{who} would stop “{pilot}” at stage {stage}; a second executive has to agree: {reason}"),
}


def cosigned(pilot: str, who: str) -> Message:
    return Message("plan_cosigned", N_("The plan of “{pilot}” was co-signed by {who}."), {"pilot": pilot, "who": who})


def sealed(pilot: str, who: str) -> Message:
    template = N_("The plan of “{pilot}” was approved by {who} and is sealed. Its first stage can be drawn.")
    return Message("plan_sealed", template, {"pilot": pilot, "who": who})


def approved(pilot: str, who: str) -> Message:
    """A signature that the plan still needed more than one of, or needed anew."""
    return Message("plan_approved", N_("The plan of “{pilot}” was approved by {who}."), {"pilot": pilot, "who": who})


def unproven_accepted(pilot: str, who: str, reason: str) -> Message:
    template = N_("{who} accepted that the plan of “{pilot}” cannot prove its break-even: {reason}")
    return Message("unproven_accepted", template, {"pilot": pilot, "who": who, "reason": reason})


def acceptance_wanted(pilot: str, smallest: float | None, break_even: float | None) -> Message:
    """What the executives read who are asked to accept it."""
    if smallest is None or break_even is None:
        template = N_("“{pilot}” waits for an executive to accept, or leave, that nothing proves that its offer pays.")
        return Message("acceptance_wanted_never_pays", template, {"pilot": pilot})
    template = N_(
        "“{pilot}” waits for an executive to accept, or leave, that it cannot prove its break-even: it sees changes "
        "from {smallest:.1%} of sales on, and the offer pays from {break_even:.1%} on."
    )
    values = {"pilot": pilot, "smallest": smallest, "break_even": break_even}
    return Message("acceptance_wanted", template, values)


def plan_sent_back(pilot: str, who: str, reason: str) -> Message:
    template = N_("The plan of “{pilot}” was sent back by {who}: {reason}")
    return Message("plan_sent_back", template, {"pilot": pilot, "who": who, "reason": reason})


def decided(
    choice: Choice,
    *,
    takes_effect: bool,
    pilot: str,
    stage: int,
    who: str,
    reason: str,
    regions: Sequence[str] = (),
) -> Message:
    """What the author reads about an executive's choice; one that waits for a second signature says so."""
    template = _CHOSEN[choice] if takes_effect else _PROPOSED[choice]
    code = f"decision_{choice.value}" if takes_effect else f"decision_{choice.value}_proposed"
    values = {"pilot": pilot, "stage": stage, "who": who, "reason": reason, "regions": ", ".join(regions)}
    return Message(code, template, values)


def answered(pilot: str, stage: int, who: str, text: str) -> Message:
    """What the executive who sent a report back reads."""
    template = N_("{who} has answered on the report on stage {stage} of “{pilot}”: {text}")
    return Message("report_answered", template, {"pilot": pilot, "stage": stage, "who": who, "text": text})


_ACTS: dict[str, str] = {
    "pilot.create": N_("Pilot created"),
    "plan.edit": N_("Plan edited"),
    "plan.write_amendment": N_("Amendment written"),
    "plan.give_up_amendment": N_("Amendment given up"),
    "plan.use_design": N_("Design taken into the plan"),
    "plan.submit": N_("Plan submitted"),
    "plan.amend": N_("Plan amended: its sign-offs are void"),
    "plan.cosign": N_("Plan co-signed"),
    "plan.approve": N_("Plan approved"),
    "plan.seal": N_("Plan sealed"),
    "plan.ask_acceptance": N_("Executives asked to accept that the plan cannot prove its break-even"),
    "plan.accept_unproven": N_("Accepted that the plan cannot prove its break-even"),
    "plan.send_back": N_("Plan sent back"),
    "assignment.seal_seeds": N_("Binding seeds made"),
    "stage.draw": N_("Stage drawn"),
    "stage.start": N_("Stage started"),
    "stage.reach_gate": N_("Stage reached its gate"),
    "stage.extend": N_("Stage extended"),
    "stage.pass": N_("Stage passed its gate"),
    "report.explore": N_("Stage explored beyond the plan"),
    "report.freeze": N_("Report frozen"),
    "report.decide": N_("Executive decided"),
    "report.answer": N_("Author answered"),
    "pilot.stop": N_("Pilot stopped"),
}


def act(verb: str) -> Message:
    """An audit verb in words; the verb itself where it is not about pilots."""
    return Message(f"act_{verb}", _ACTS.get(verb, verb), {})
