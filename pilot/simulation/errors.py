"""What the simulator refuses, one named error per rule."""

from pilot.errors import Refused
from pilot.words import N_


class SimulationOutOfRange(Refused):
    code = "simulation_out_of_range"
    template = N_("A simulated network has {first:,} to {last:,} {what}, not {given:,}.")


class TooFewReceipts(Refused):
    """Every store and every week shall have something to show."""

    code = "too_few_receipts"
    template = N_("{receipts:,} receipts are fewer than one a store and week: ask for at least {least:,}.")


class FolderNotEmpty(Refused):
    code = "folder_not_empty"
    template = N_("The folder {folder} is not empty. Name one that is empty or new.")


class TooManyFiles(Refused):
    code = "too_many_files"
    template = N_("{files:,} files are more than the {days:,} days of receipts.")


class LakeFilesAreMonths(Refused):
    code = "lake_files_are_months"
    template = N_("The lake's form has one file a month: leave the number of files out.")
