"""The rules of sign-off and decision, one named error each. What planning itself refuses is named there."""

from pilot.errors import NotPermitted, Refused
from pilot.planning.errors import PlanMovedOn
from pilot.words import N_


class OwnPilot(NotPermitted):
    """Nobody decides on their own pilot."""

    code = "own_pilot"
    template = N_("{who} owns “{pilot}” and may not decide on it. Ask another executive.")


class SamePerson(NotPermitted):
    """Co-sign and approval come from two people."""

    code = "same_person"
    template = N_("{who} has co-signed this plan already. Another person has to approve it.")


class AlreadySigned(NotPermitted):
    """A second signature comes from another human, and from another one in whose place a deputy signs."""

    code = "already_signed"
    template = N_("{who} has signed this plan already, or it was signed in the same person's place. Another has to.")


class NothingToSign(Refused):
    """The plan does not wait for this signature."""

    code = "nothing_to_sign"
    template = N_("The plan of “{pilot}” is {state}: it does not wait for this signature.")


class AnotherWasRead(PlanMovedOn):
    """A signature is for the text that its giver had before them, and that text has been replaced."""

    code = "another_was_read"
    template = N_(
        "The plan of “{pilot}” has been replaced since you opened it, so nothing was signed or sent back. Read the "
        "present one first."
    )


class AnotherRoundWasRead(Refused):
    """A decision is made on a report and on what was asked and answered about it."""

    code = "another_round_was_read"
    template = N_(
        "Report “{report}” was sent back and answered since you opened it, so your choice was not recorded. Read the "
        "answer first."
    )


class NotAtGate(Refused):
    """Decisions are made at a gate, on its frozen report."""

    code = "not_at_gate"
    template = N_("Stage {stage} of “{pilot}” is {state}, not at its gate: there is nothing to decide.")


class ReportOvertaken(Refused):
    """Only the stage's latest report can be decided on."""

    code = "report_overtaken"
    template = N_("Report “{report}” is not the latest of its stage. Decide on “{latest}”.")


class AlreadyDecided(Refused):
    """An executive says the same thing once."""

    code = "already_decided"
    template = N_("{who} has already chosen this on report “{report}”. A second executive has to agree.")


class WaitsForAnswer(Refused):
    """A report that was sent back comes again when the author has answered."""

    code = "waits_for_answer"
    template = N_("Report “{report}” was sent back and waits for the author's answer.")


class NothingToAnswer(Refused):
    """Only a report that was sent back is answered."""

    code = "nothing_to_answer"
    template = N_("Report “{report}” was not sent back: there is nothing to answer.")


class PolicyDoesNotFit(Refused):
    """A policy says for every stage who signs, and never lets one person take the whole network."""

    code = "policy_does_not_fit"
    template = N_("The policy does not fit ({field}): {problem}.")
    marked = ("problem",)


class PolicyMovedOn(Refused):
    """Somebody else changed the policy meanwhile."""

    code = "policy_moved_on"
    template = N_("Somebody has changed the policy since you opened it. Look at it again and repeat your change.")


class PolicyUnchanged(Refused):
    """A change changes something."""

    code = "policy_unchanged"
    template = N_("Nothing in the policy would change.")


class DeputyDoesNotFit(Refused):
    """An appointment that could not hold."""

    code = "deputy_does_not_fit"
    template = N_("This deputy does not fit: {problem}.")
    marked = ("problem",)


class SignOffsExpired(Refused):
    """Signatures on a plan do not hold for ever."""

    code = "sign_offs_expired"
    template = N_(
        "Signatures on the plan of “{pilot}” are older than {days} days and count no longer: they have to be given "
        "again on the plan page before stage {stage} goes on."
    )


class RegionsDoNotFit(Refused):
    """Approving for some regions names regions of the next stage, and not all of them."""

    code = "regions_do_not_fit"
    template = N_("Choose some of the regions of the next stage: {known}.")


class NothingToAccept(Refused):
    """Only a plan that cannot prove its break-even is accepted as such."""

    code = "nothing_to_accept"
    template = N_("There is nothing to accept in the plan of “{pilot}”: {reason}.")
    marked = ("reason",)
