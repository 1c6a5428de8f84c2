"""One named error per broken rule, all from one tree. The web maps them to a status, the CLI to an exit code."""

from typing import Any

from pilot.words import N_, Message


class PilotError(Exception):
    """The root. A subclass names the rule, ``template`` says what, which one and what would do."""

    code = "error"
    template = "{reason}"
    marked: tuple[str, ...] = ()
    """Values that are texts marked ``N_`` themselves: they are translated with the sentence."""

    def __init__(self, **values: Any) -> None:
        texts = {name: Message(name, values[name]) for name in self.marked if isinstance(values.get(name), str)}
        self.message = Message(self.code, self.template, {**values, **texts})
        super().__init__(str(self.message))


class Refused(PilotError):
    """A rule or bad input: exit code 1, HTTP 409 or 422."""

    code = "refused"


class NotFound(PilotError):
    """No such thing: exit code 1, HTTP 404."""

    code = "not_found"
    template = N_("There is no {kind} “{name}”.")
    marked = ("kind",)


class NotPermitted(PilotError):
    """The person or key may not do this to this object: exit code 1, HTTP 403."""

    code = "not_permitted"
    template = N_("{who} may not {what}.")


class Misconfigured(PilotError):
    """The installation lacks something; the message says what to set or run."""

    code = "misconfigured"
    marked = ("reason",)
