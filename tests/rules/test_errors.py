"""Every broken rule has its own name, its own code, a sentence that can be said, and a status."""

import importlib
import re
import string

import pytest

from experiments.errors import ExperimentError
from pilot.errors import PilotError
from tests.rules.house import ROOT, files
from web.errors import status_of

# The roots of the tree: kinds of errors, never raised by themselves.
KINDS = re.compile(r"^(PilotError|Refused|NotPermitted|Misconfigured|ExperimentError)$")


def subclasses(root: type[Exception]) -> set[type[Exception]]:
    found = {root}
    for child in root.__subclasses__():
        found |= subclasses(child)
    return found


def all_errors() -> list[type[Exception]]:
    for path in files(".py", "pilot", "experiments", "web"):
        if path.name not in ("__main__.py", "gunicorn_hooks.py"):
            importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"))
    found = subclasses(PilotError) | subclasses(ExperimentError)
    ours = (error for error in found if error.__module__.split(".")[0] in ("pilot", "experiments", "web"))
    return sorted(ours, key=lambda error: (error.__module__, error.__qualname__))


def test_every_error_has_a_status_for_the_web() -> None:
    for error in all_errors():
        assert 400 <= status_of(error) < 600, error


def test_every_rule_of_the_business_has_a_code_of_its_own() -> None:
    """A kind of refusal may share its code with the more particular ones below it; two rules may not."""
    first: dict[str, type[PilotError]] = {}
    shared = []
    for error in all_errors():
        if issubclass(error, PilotError) and "code" in vars(error):
            earlier = first.setdefault(error.code, error)
            if earlier is not error and not issubclass(error, earlier) and not issubclass(earlier, error):
                shared.append((error.code, earlier, error))
    assert shared == []


@pytest.mark.parametrize("error", [e for e in all_errors() if issubclass(e, PilotError)], ids=lambda e: e.__qualname__)
def test_every_sentence_can_be_said(error: type[PilotError]) -> None:
    fields = {name for _, name, _, _ in string.Formatter().parse(error.template) if name is not None}
    assert all(field.isidentifier() for field in fields), "places are names: {store}, not {0} or {store.code}"
    if not KINDS.match(error.__qualname__) and "template" in vars(error):
        assert error.template[0].isupper() or error.template[0] in "“{", "a sentence begins with a capital letter"
