"""The files of an import: what lies in the paths that were named, and how each is to be read."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from pilot.imports.dialects import guess_dialect
from pilot.imports.errors import FilesDiffer, MappingIncomplete
from pilot.imports.importer import Importer
from pilot.imports.mapping import FileMapping, MappingGuess, guess_mapping
from pilot.imports.reader import open_table
from pilot.imports.service import ImportFile

SUFFIXES = (".csv", ".txt", ".parquet")
_NAME_LENGTH = 300


def files_in(paths: Sequence[Path]) -> list[Path]:
    """The files that were named, and those in the folders that were named, each once and in order of their names.

    Of a folder the CSV and Parquet files count, those of folders below it too; what begins with a dot does not.
    """
    found: dict[Path, None] = {}
    for path in paths:
        for file in _walk(path) if path.is_dir() else [path]:
            found.setdefault(file)
    return list(found)


def _walk(folder: Path) -> Iterator[Path]:
    for directory, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if name.lower().endswith(SUFFIXES) and not name.startswith("."):
                yield Path(directory, name)


def import_files(
    importer: Importer, paths: Sequence[Path], mapping: FileMapping | None = None, guess: MappingGuess | None = None
) -> list[ImportFile]:
    """``paths`` as the files of one import, all read by ``mapping`` or else by what the first one seems to be
    (``guess``, where somebody has guessed already).

    Encoding and delimiter are each file's own where nobody stated them. Raises ``MappingIncomplete`` and
    ``FilesDiffer``, and the errors of reading.
    """
    first = paths[0]
    if mapping is None:
        guess = guess or guess_mapping(importer, first)
        if guess.unmapped_required:
            raise MappingIncomplete(name=first.name, fields=", ".join(guess.unmapped_required))
        files = [ImportFile(first, guess.mapping, first.name[:_NAME_LENGTH])]
        rest, is_stated = list(paths[1:]), False
    else:
        files, rest, is_stated = [], list(paths), True
    common = mapping or files[0].mapping
    for path in rest:
        files.append(ImportFile(path, _read_as(path, common, is_stated), path.name[:_NAME_LENGTH]))
    if len(files) > 1:
        _require_alike(files)
    return files


def _read_as(path: Path, mapping: FileMapping, is_stated: bool) -> FileMapping:
    dialect = guess_dialect(path)
    if is_stated and dialect.format is mapping.dialect.format:
        return mapping
    return replace(mapping, format=dialect.format, encoding=dialect.encoding, delimiter=dialect.delimiter)


def _require_alike(files: Sequence[ImportFile]) -> None:
    """Every column that the mapping names is in every file."""
    for file in files:
        dialect = replace(file.mapping.dialect, last_line_complete=True)  # the import itself insists on the line end
        columns = open_table(file.path, dialect).columns
        for wanted in (*file.mapping.columns.values(), *file.mapping.attributes.values()):
            if wanted not in columns:
                raise FilesDiffer(name=file.name, first=files[0].name, column=wanted[:80])
