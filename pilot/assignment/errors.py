"""The rules of assignment that can be broken, one error each."""

from pilot.errors import Misconfigured, Refused
from pilot.words import N_


class SeedMissing(Refused):
    code = "seed_missing"
    template = N_("Stage {stage} of {pilot} has no binding seed: the system makes it when the plan is sealed.")


class SeedsAlreadyMade(Refused):
    code = "seeds_already_made"
    template = N_("The binding seeds of {pilot} were made when this plan was sealed; they are made once.")


class TooLittleEntropy(Refused):
    code = "too_little_entropy"
    template = N_("A binding seed needs at least {needed} random bytes; {given} were given.")


class SpecimenAfterSeal(Refused):
    code = "specimen_after_seal"
    template = N_("{pilot} is sealed: specimen draws are for plans that are not, the next draw is the binding one.")


class AlreadyDrawn(Refused):
    code = "already_drawn"
    template = N_("Stage {stage} of {pilot} was drawn under this plan; a new draw is an amendment with new approvals.")


class DrawnTooLate(Refused):
    code = "drawn_too_late"
    template = N_(
        "Stage {stage} of {pilot} was to start on {starts_on:date} and today is {today:date}: a draw comes before the "
        "start. Amend the start."
    )


class DrawMovedOn(Refused):
    """The plan, or which stores are free, changed while the draw was being prepared."""

    code = "draw_moved_on"
    template = N_("Stage {stage} of {pilot}: the plan or the free stores have changed while it was drawn. Draw again.")


class NotDrawn(Refused):
    code = "not_drawn"
    template = N_("Stage {stage} of {pilot} has not been drawn.")


class RecordUnreadable(Refused):
    code = "record_unreadable"
    template = N_("This is not the record of a draw: {problem}.")


class BundlesBeingMade(Misconfigured):
    """Not a fault: everybody is being read, once a day and after a draw."""

    code = "bundles_being_made"
    template = N_("Bundles are being made anew. Keep the one at hand and fetch again in a minute.")
