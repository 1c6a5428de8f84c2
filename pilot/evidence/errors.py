"""Why a look cannot be taken, one named error a rule."""

from pilot.errors import Refused
from pilot.words import N_


class StageNotRunning(Refused):
    """A look is taken at a stage that runs."""

    code = "stage_not_running"
    template = N_("Stage {stage} of {pilot} is {state}: a report for a decision is made of a running stage.")


class LookBeyondPlan(Refused):
    """The plan's looks are used up; another report could only be exploratory."""

    code = "look_beyond_plan"
    template = N_(
        "Stage {stage} of {pilot} has taken its {looks} planned looks. Another report would be exploratory: "
        "it can be looked at, but not frozen, and no decision can rest on it."
    )


class ReceiptsMissing(Refused):
    """The window is over, but its receipts have not all arrived."""

    code = "receipts_missing"
    template = N_(
        "Stage {stage} of {pilot} reads receipts to {needed:date}, and there are receipts to {through:date}. "
        "Import the rest first."
    )


class StageMovedOn(Refused):
    """Something changed while the report was computed."""

    code = "stage_moved_on"
    template = N_("Stage {stage} of {pilot} has moved on while the report was being made. Make the report again.")
