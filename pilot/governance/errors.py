"""The rules of sign-off and decision, one named error each. What planning itself refuses is named there."""

from pilot.errors import NotPermitted, Refused
from pilot.words import N_


class OwnPilot(NotPermitted):
    """Nobody decides on their own pilot."""

    code = "own_pilot"
    template = N_("{who} owns “{pilot}” and may not decide on it. Ask another executive.")


class SamePerson(NotPermitted):
    """Co-sign and approval come from two people."""

    code = "same_person"
    template = N_("{who} has co-signed this plan already. Another person has to approve it.")


class NothingToSign(Refused):
    """The plan does not wait for this signature."""

    code = "nothing_to_sign"
    template = N_("The plan of “{pilot}” is {state}: it does not wait for this signature.")


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
