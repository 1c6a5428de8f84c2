"""The named errors of the statistics: one class per broken rule, each with a message that says what would do."""

from experiments.messages import N_, Message


class ExperimentError(Exception):
    """The root of every error of this package; subclasses state their rule as ``code`` and ``template``."""

    code = "experiment_error"
    template = N_("the experiment cannot be analysed: {reason}")

    def __init__(self, **values: str | int | float) -> None:
        self.message = Message(self.code, self.template, values)
        super().__init__(str(self.message))


class NotEstimable(ExperimentError):
    """These data cannot give this estimate: raised with the ``Message`` that a report shows in place of a number."""

    def __init__(self, message: Message) -> None:
        Exception.__init__(self, str(message))
        self.message = message


class InvalidLevel(ExperimentError):
    """A probability outside the open interval from 0 to 1."""

    code = "invalid_level"
    template = N_("{name} is {value}; it must lie between 0 and 1, both excluded")


class InvalidNumber(ExperimentError):
    """A number that is not finite, or outside the range its name allows."""

    code = "invalid_number"
    template = N_("{name} is {value}; it must be {must_be}")


class DuplicateUnit(ExperimentError):
    """The same unit twice where each may appear once."""

    code = "duplicate_unit"
    template = N_("unit {unit!r} appears twice; each unit may appear once")


class DuplicateMetric(ExperimentError):
    """The same metric twice in one plan."""

    code = "duplicate_metric"
    template = N_("metric {metric} appears twice in the plan; each metric has one role")


class UnknownUnit(ExperimentError):
    """Data about a unit that the draw does not know."""

    code = "unknown_unit"
    template = N_("unit {unit!r} has data but no assignment; pass only units of this draw")


class UnknownVariant(ExperimentError):
    """A variant that has no share in the mechanism."""

    code = "unknown_variant"
    template = N_("variant {variant!r} is not in the mechanism; its variants are {variants}")


class UnknownMetric(ExperimentError):
    """A code that names no metric of the library."""

    code = "unknown_metric"
    template = N_("no metric has the code {metric!r}")


class InvalidMetric(ExperimentError):
    """A metric whose parameters make no sense."""

    code = "invalid_metric"
    template = N_("metric {kind} with {parameters} is not defined: {must_be}")


class NotMeasurable(ExperimentError):
    """A metric that has no meaning for this unit of assignment."""

    code = "not_measurable"
    template = N_("{metric} cannot be measured when the unit of assignment is the {unit}")


class WrongUnitOfAnalysis(ExperimentError):
    """Moments of another unit than the one that was assigned."""

    code = "wrong_unit_of_analysis"
    template = N_("the unit of assignment is the {unit}, but the moments of {metric} are not one row per {unit}")


class InvalidShares(ExperimentError):
    """Shares that cannot be drawn from."""

    code = "invalid_shares"
    template = N_("the shares {shares} cannot be drawn: {must_be}")


class InvalidCandidate(ExperimentError):
    """A candidate whose code, stratum or covariates cannot be used."""

    code = "invalid_candidate"
    template = N_("candidate {unit!r} cannot be drawn: {must_be}")


class TooFewCandidates(ExperimentError):
    """Fewer candidates than a draw needs."""

    code = "too_few_candidates"
    template = N_("{n} candidates are too few for {needed} variants; each variant needs at least one unit")


class InvalidMechanism(ExperimentError):
    """A mechanism whose parts contradict each other."""

    code = "invalid_mechanism"
    template = N_("the mechanism {kind} is not valid: {must_be}")


class OpenList(ExperimentError):
    """A closed-list operation asked of a mechanism that admits later arrivals, or the reverse."""

    code = "open_list"
    template = N_("{operation} does not exist for the mechanism {kind}; use {instead}")


class DesignCannotReachLevel(ExperimentError):
    """The smallest p-value that the draw can ever give is above the level it must reach."""

    code = "design_cannot_reach_level"
    template = N_(
        "with {n_units} units the smallest p-value this draw can give for {variant} is {smallest_p:.4f}, "
        "above the level {level:.4f} of the look that may advance; add units or plan fewer looks"
    )


class InvalidWindow(ExperimentError):
    """A window whose last day comes before its first, or that touches what must come before or after it."""

    code = "invalid_window"
    template = N_("the window {first:date} to {last:date} is not valid: {must_be}")


class InvalidMoments(ExperimentError):
    """Moments that no data can have."""

    code = "invalid_moments"
    template = N_("the moments of {unit!r} are not possible: {must_be}")


class InvalidPlan(ExperimentError):
    """An analysis plan whose parts contradict each other."""

    code = "invalid_plan"
    template = N_("the analysis plan is not valid: {must_be}")
