"""What the outcomes room refuses, one named error per rule."""

from pilot.errors import NotFound, Refused
from pilot.words import N_


class ReceiptsClash(Refused):
    """Between staging and publishing another import stored receipts with the same keys and other content."""

    code = "receipts_clash"
    template = N_(
        "{n:,} receipts of this import are stored by now with other content (the first: line {line}, {reason}). "
        "Discard the import and stage the file again."
    )


class NoSuchLakeVersion(NotFound):
    code = "no_such_lake_version"
    template = N_("The lake has no version {version}; the latest is {latest}.")


class BadPeriod(Refused):
    code = "bad_period"
    template = N_("The period from {first:date} to {last:date} ends before it begins.")
