"""``pilot import``: take files of regions, stores, customers or receipts in, all or nothing."""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from pilot.access.permissions import Permission
from pilot.cli.console import Console, phrase
from pilot.cli.context import Context, add_common
from pilot.cli.errors import NotReady, UnreadableFile
from pilot.cli.mappings import describe_guess, named_mapping
from pilot.cli.meter import Meter
from pilot.imports import service
from pilot.imports.check import FileCount
from pilot.imports.errors import BadRows
from pilot.imports.files import files_in, import_files
from pilot.imports.importer import Importer
from pilot.imports.mapping import guess_mapping
from pilot.imports.model import ImportKind, ImportRun, RunState
from pilot.imports.service import ImportFile
from pilot.outcomes.importers import importer_for, keep_days_up
from pilot.words import N_, translate

_SHOWN_FINDINGS = 20


def configure(_name: str, command: argparse.ArgumentParser) -> None:
    add_common(command, acts=True)
    command.add_argument("kind", choices=[str(kind) for kind in ImportKind])
    several = phrase(N_("a CSV or Parquet file; receipts may be many files and folders of them"))
    command.add_argument("files", type=Path, nargs="+", metavar="PATH", help=several)
    mapping = phrase(N_("a saved mapping's name or a JSON file (default: guessed from the file)"))
    command.add_argument("--mapping", metavar="NAME|FILE", help=mapping)
    parks = phrase(N_("park bad rows instead of refusing the file"))
    command.add_argument("--quarantine", action="store_true", help=parks)
    command.set_defaults(do=take_in)


def take_in(context: Context) -> int:
    """Check, keep, publish: each in a transaction of its own; a refused file changes nothing."""
    options = context.options
    importer = importer_for(ImportKind(options.kind))
    paths = _paths(options.files, importer)
    with context.database.reading() as session:
        context.actor(session, Permission.NETWORK_IMPORT)
        files = _files(context, session, importer, paths)
    try:
        taken = take(context, importer, files, quarantine=options.quarantine)
    except BadRows as refused:
        _show_findings(context, refused)
        return 1
    _report(context, taken)
    return 0


@dataclass(frozen=True, slots=True)
class Taken:
    """An import that is published. ``files``: what was found in each; empty where it was published before."""

    run: ImportRun
    is_known: bool
    files: Sequence[FileCount]
    rate: int = 0


def take(
    context: Context,
    importer: Importer,
    files: Sequence[ImportFile],
    *,
    quarantine: bool,
    go_on: Callable[[], None] = lambda: None,
) -> Taken:
    """Check, keep and publish ``files`` as one import. ``go_on`` is called between batches and may raise."""
    label = files[0].name if len(files) == 1 else phrase(N_("{n:,} files"), n=len(files))
    meter = Meter(context.console, label, sum(file.path.stat().st_size for file in files))

    def progress(rows: int, expected: int) -> None:
        meter(rows, expected)
        go_on()

    try:
        # The long check only reads; what it found is kept in a short unit of work.
        with context.database.reading() as session:
            checked = service.check_imports(
                session, importer, files, now=context.now, quarantine=quarantine, progress=progress
            )
    finally:
        meter.close()
    rate = meter.rate
    with context.acting(Permission.NETWORK_IMPORT) as (session, actor):
        run = service.keep_import(session, checked, actor=actor, now=context.now)
    is_known = run.is_published
    with context.console.progress(N_("Publishing")), context.acting(Permission.NETWORK_IMPORT) as (session, actor):
        run = service.publish(session, importer, session.get_one(ImportRun, run.id), actor=actor, now=context.now)
    with context.database.reading() as session:
        service.remove_staging(session, run)
    if importer.kind is ImportKind.RECEIPTS:
        keep_days_up(context.database.settings)
    return Taken(run, is_known, checked.checked.files if checked.checked else (), rate)


def _paths(named: Sequence[Path], importer: Importer) -> list[Path]:
    for path in named:
        if not path.exists():
            raise UnreadableFile(path=str(path), problem=phrase(N_("no such file")))
    paths = files_in(named)
    if not paths:
        raise UnreadableFile(path=str(named[0]), problem=phrase(N_("no CSV or Parquet files in it")))
    if len(paths) > 1 and importer.kind is not ImportKind.RECEIPTS:
        raise UnreadableFile(path=str(paths[1]), problem=phrase(N_("only receipts are imported from several files")))
    return paths


def _files(context: Context, session: Session, importer: Importer, paths: Sequence[Path]) -> list[ImportFile]:
    options = context.options
    if options.mapping:
        mapping = named_mapping(session, options.mapping)
        if len(paths) == 1:  # as it is stated, whatever the file seems to be
            return [ImportFile(paths[0], mapping, paths[0].name[:300])]
        return import_files(importer, paths, mapping)
    guess = guess_mapping(importer, paths[0])
    if guess.unmapped_required:
        raise NotReady(fields=", ".join(guess.unmapped_required), kind=options.kind, file=paths[0].name)
    context.console.say(N_("No mapping was named; this is what the file seems to be:"))
    describe_guess(context.console, guess)
    return import_files(importer, paths, guess=guess)


def _report(context: Context, taken: Taken) -> None:
    console, run = context.console, taken.run
    if len(taken.files) > 1:
        _show_files(console, taken.files)
    if taken.is_known:
        console.say(N_("This file is imported already ({run}); nothing has changed."), run=run.batch_id[:12])
    elif run.state == RunState.UNCHANGED:
        console.say(N_("All {rows:,} rows were known; nothing has changed."), rows=run.n_rows)
    else:
        console.say(
            N_("Imported: {new:,} new of {rows:,} rows, {known:,} known."),
            new=run.n_new,
            rows=run.n_rows,
            known=run.n_known,
        )
    if run.n_quarantined:
        console.say(
            N_("{rows:,} rows are in quarantine. Next: correct or drop them on the import's page."),
            rows=run.n_quarantined,
        )
    console.answer(
        {
            "run": run.batch_id,
            "state": str(run.state),
            "rows": run.n_rows,
            "new": run.n_new,
            "known": run.n_known,
            "quarantined": run.n_quarantined,
            "lake_version": run.lake_version,
            "rows_a_second": taken.rate,
            "files": [document_of(file) for file in taken.files],
        }
    )


def document_of(file: FileCount) -> dict[str, Any]:
    """What was found in a file, for programs."""
    return {"file": file.name, "rows": file.n_rows, "new": file.n_new, "known": file.n_known, "bad": file.n_bad}


def _show_files(console: Console, files: Sequence[FileCount]) -> None:
    header = (N_("File"), N_("Rows"), N_("New"), N_("Known"), N_("Bad"))
    console.table(header, [[file.name, *map(_number, _counts(file))] for file in files])


def _counts(file: FileCount) -> tuple[int, int, int, int]:
    return file.n_rows, file.n_new, file.n_known, file.n_bad


def _number(number: int) -> str:
    return phrase(N_("{number:,}"), number=number)


def _show_findings(context: Context, refused: BadRows) -> None:
    console = context.console
    for finding in refused.findings[:_SHOWN_FINDINGS]:
        console.say(
            N_("  line {line}, column “{column}”, value “{value}”: {reason}"),
            line=finding.line,
            column=finding.column,
            value=finding.value,
            reason=translate(finding.reason),
        )
    if console.is_json:
        console.answer(
            {
                "error": {"code": refused.code, "message": translate(refused.message)},
                "rows": refused.n_rows,
                "bad": refused.n_bad,
                "findings": [
                    {"line": f.line, "column": f.column, "value": f.value, "reason": translate(f.reason)}
                    for f in refused.findings
                ],
            }
        )
    print(translate(refused.message), file=console.err)
