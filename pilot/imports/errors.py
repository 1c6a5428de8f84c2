"""What can be wrong with a file as a whole or with its mapping: one named error per rule. Bad rows are findings."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pilot.errors import Misconfigured, Refused
from pilot.words import N_

if TYPE_CHECKING:
    from pilot.imports.rules import Finding


class FileRefused(Refused):
    """The file cannot be read as a table; nothing of it was taken."""

    code = "file_refused"


class EmptyFile(FileRefused):
    code = "empty_file"
    template = N_("The file is empty. Export it again and check that it holds rows.")


class NoRows(FileRefused):
    code = "no_rows"
    template = N_("The file has a header but no rows. Export it again and check that it holds rows.")


class WrongEncoding(FileRefused):
    code = "wrong_encoding"
    template = N_(
        "Line {line} is not valid {encoding} text. Choose another encoding in the mapping, or save the file as UTF-8."
    )


class NotText(FileRefused):
    code = "not_text"
    template = N_("This is {what}, not a CSV or Parquet file. Save it as “CSV UTF-8” and import that.")


class NulByte(FileRefused):
    code = "nul_byte"
    template = N_("Line {line} holds a NUL byte: the file is damaged or not text. Export it again as UTF-8.")


class LineTooLong(FileRefused):
    code = "line_too_long"
    template = N_("Line {line} is longer than {limit:,} bytes. Is this a CSV file with one record per line?")


class ValueTooLong(FileRefused):
    code = "value_too_long"
    template = N_("Line {line} holds a value longer than {limit:,} characters. Shorten it or leave the column out.")


class UnclosedQuote(FileRefused):
    code = "unclosed_quote"
    template = N_("The record that begins on line {line} opens a quote and never closes it properly. Mend that line.")


class CutFile(FileRefused):
    code = "cut_file"
    template = N_(
        "The last line ({line}) has no line end: the file may have been cut off. "
        "Export it again, or state in the mapping that the last line is complete."
    )


class CutRecord(FileRefused):
    code = "cut_record"
    template = N_(
        "The last record (line {line}) has {found} of {expected} values: the file was cut off. Export it again."
    )


class WrongWidth(FileRefused):
    code = "wrong_width"
    template = N_("Line {line} has {found} values, the header has {expected}. Check the delimiter and the quotes.")


class FileChanged(FileRefused):
    code = "file_changed"
    template = N_("{name} changed while it was read. Wait until it is complete and import it again.")


class FilesDiffer(FileRefused):
    code = "files_differ"
    template = N_(
        "{name} has no column “{column}”, which {first} has. Import files of one form together, the others by "
        "themselves."
    )


class DoubledHeader(FileRefused):
    code = "doubled_header"
    template = N_("Two columns are called “{column}”. Rename one of them in the file.")


class DamagedParquet(FileRefused):
    code = "damaged_parquet"
    template = N_("The Parquet file is damaged or cut off and cannot be read. Export it again.")


class NotUtf8(FileRefused):
    code = "not_utf8"
    template = N_(
        "Column “{column}” of the Parquet file holds text that is not valid UTF-8, in the rows from {line} on. "
        "Export it again."
    )


class UnreadableColumn(FileRefused):
    code = "unreadable_column"
    template = N_("Column “{column}” of the Parquet file holds {type}. Write it as text, number, date or time.")


class RowGroupTooLarge(FileRefused):
    code = "row_group_too_large"
    template = N_(
        "Row group {group} of the Parquet file unpacks to {size:,} bytes in one column, more than {limit:,}. "
        "Write the file with smaller row groups."
    )


class MappingRefused(Refused):
    """The column mapping does not fit the file or the kind of import."""

    code = "mapping_refused"


class UnknownField(MappingRefused):
    code = "unknown_field"
    template = N_("The mapping names the field “{field}”, which an import of {kind} does not have. Fields: {fields}.")


class FieldNotMapped(MappingRefused):
    code = "field_not_mapped"
    template = N_("The mapping gives no column for “{field}”. Columns of the file: {columns}.")


class ColumnNotInFile(MappingRefused):
    code = "column_not_in_file"
    template = N_("The file has no column “{column}” (for “{field}”). Columns of the file: {columns}.")


class MappingIncomplete(MappingRefused):
    code = "mapping_not_guessed"
    template = N_(
        "No column of {name} was found for: {fields}. Save the guess with “pilot mapping guess”, correct it, and name "
        "it with --mapping."
    )


class UnknownOption(MappingRefused):
    code = "unknown_option"
    template = N_("The mapping says {option} = “{value}”. Possible: {possible}.")


class BadRows(Refused):
    """Rows that are not right: ``findings`` names them by line, column, value and reason (the first 10,000)."""

    code = "bad_rows"

    def __init__(self, *, findings: "Sequence[Finding]", n_bad: int, n_rows: int, filename: str) -> None:
        first = findings[0]
        super().__init__(
            n_bad=n_bad,
            n_rows=n_rows,
            filename=filename,
            line=first.line,
            column=first.column,
            value=first.value,
            reason=str(first.reason),
        )
        self.findings, self.n_bad, self.n_rows = tuple(findings), n_bad, n_rows


class ImportRefused(BadRows):
    """Nothing was imported."""

    code = "import_refused"
    template = N_(
        "{n_bad:,} of {n_rows:,} rows of {filename} are not right; nothing was imported. The first is line {line}, "
        "column “{column}”, value “{value}”: {reason} Mend the file or the mapping, or park the bad rows in quarantine."
    )


class TooManyBadRows(BadRows):
    """Quarantine takes 10,000 rows of a file; more are a sign of a wrong mapping."""

    code = "too_many_bad_rows"
    template = N_(
        "{n_bad:,} of {n_rows:,} rows of {filename} are not right, more than quarantine takes. Check the mapping "
        "first. The first is line {line}, column “{column}”, value “{value}”: {reason}"
    )


class NotStaged(Refused):
    code = "not_staged"
    marked = ("state",)
    template = N_("Import {run} is {state}, not staged: there is nothing to publish or discard.")


class StagingGone(Refused):
    code = "staging_gone"
    template = N_("The staged rows of import {run} are gone. Import the file again.")


class NotWaiting(Refused):
    code = "not_waiting"
    marked = ("state",)
    template = N_("Row {row} of the quarantine is {state}: only waiting rows can be released or dropped.")


class MixedRelease(Refused):
    code = "mixed_release"
    template = N_("Rows of several imports (or none) were chosen. Release the rows of one import at a time.")


# The states of imports and of parked rows are English words themselves; here they are marked.
STATES = (N_("staged"), N_("published"), N_("refused"), N_("unchanged"), N_("discarded"))
ROW_STATES = (N_("waiting"), N_("released"), N_("dropped"))


class EngineStopped(Misconfigured):
    """No space for what it spills or writes, or no memory: a fact about the machine, not about the file."""

    code = "engine_stopped"
    template = N_("The machine could not finish: {problem}. Nothing has changed; make room and import the file again.")
