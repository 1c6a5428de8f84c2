"""The rules of sign-off and decision, one named error each."""

from pilot.errors import NotPermitted, Refused
from pilot.words import N_


class OwnPlan(NotPermitted):
    """Nobody signs their own plan."""

    code = "own_plan"
    template = N_("{who} owns the pilot “{pilot}” and may not sign its plan. Ask another person.")


class OwnPilot(NotPermitted):
    """Nobody decides on their own pilot."""

    code = "own_pilot"
    template = N_("{who} owns the pilot “{pilot}” and may not decide on it. Ask another executive.")


class SamePerson(NotPermitted):
    """Co-sign and approval come from two people."""

    code = "same_person"
    template = N_("{who} has co-signed this plan already. Another person has to approve it.")


class NothingToSign(Refused):
    """The plan does not wait for this signature."""

    code = "nothing_to_sign"
    template = N_("The plan of “{pilot}” is {state}: it does not wait for this signature.")


class CosignMissing(Refused):
    """An approval needs a co-sign on exactly this plan."""

    code = "cosign_missing"
    template = N_("No analyst has co-signed this version of the plan of “{pilot}”. Ask an analyst to co-sign it first.")


class ApprovalsVoid(Refused):
    """The plan's present text is not the one that was signed."""

    code = "approvals_void"
    template = N_(
        "The plan of “{pilot}” was amended after it was signed: its approvals are void. "
        "Have it co-signed and approved again."
    )


class ReasonMissing(Refused):
    """A decision, a sending back and an answer carry a reason."""

    code = "reason_missing"
    template = N_("Give a reason: it is recorded and reaches the people concerned.")


class NotAtGate(Refused):
    """Decisions are made at a gate, on its frozen report."""

    code = "not_at_gate"
    template = N_("Stage {stage} of “{pilot}” is {state}, not at its gate: there is nothing to decide.")


class ReportOvertaken(Refused):
    """Only the stage's latest report can be decided on."""

    code = "report_overtaken"
    template = N_("Report “{report}” is not the latest of its stage. Decide on “{latest}”.")


class AlreadyDecided(Refused):
    """A report has one outcome; an executive says the same thing once."""

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


class NoLookLeft(Refused):
    """The plan has no further look for this stage."""

    code = "no_look_left"
    template = N_(
        "Stage {stage} of “{pilot}” has had all its {looks} planned looks and cannot be extended. "
        "Approve, stop, or send back."
    )
