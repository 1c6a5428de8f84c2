"""The rules about long work, each with its name."""

from pilot.errors import Misconfigured, NotFound
from pilot.words import N_


class NoSuchJob(NotFound):
    code = "no_such_job"
    template = N_("There is no job “{job}”.")


class WorkerRunsAlready(Misconfigured):
    """One worker process serves a home; it may have several threads."""

    code = "worker_runs_already"
    template = N_("A worker is already at work in {home}. Give it more threads with “pilot worker --threads N”.")
