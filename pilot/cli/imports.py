"""``pilot import``: take a file of regions, stores, customers or receipts in, all or nothing."""

import argparse
from pathlib import Path

from sqlalchemy.orm import Session

from pilot.access.permissions import Permission
from pilot.cli.console import Bar, phrase
from pilot.cli.context import Context, add_common
from pilot.cli.errors import NotReady, UnreadableFile
from pilot.cli.mappings import describe_guess, named_mapping
from pilot.imports import service
from pilot.imports.errors import BadRows
from pilot.imports.importer import Importer
from pilot.imports.mapping import FileMapping, guess_mapping
from pilot.imports.model import ImportKind, ImportRun, RunState
from pilot.outcomes.importers import importer_for
from pilot.words import N_, translate

_SHOWN_FINDINGS = 20


def configure(_name: str, command: argparse.ArgumentParser) -> None:
    add_common(command, acts=True)
    command.add_argument("kind", choices=[str(kind) for kind in ImportKind])
    command.add_argument("file", type=Path)
    mapping = phrase(N_("a saved mapping's name or a JSON file (default: guessed from the file)"))
    command.add_argument("--mapping", metavar="NAME|FILE", help=mapping)
    parks = phrase(N_("park bad rows instead of refusing the file"))
    command.add_argument("--quarantine", action="store_true", help=parks)
    command.set_defaults(do=take_in)


def take_in(context: Context) -> int:
    """Check, keep, publish: each in a transaction of its own; a refused file changes nothing."""
    options, console = context.options, context.console
    if not options.file.is_file():
        raise UnreadableFile(path=str(options.file), problem=phrase(N_("no such file")))
    importer = importer_for(ImportKind(options.kind))
    with context.database.reading() as session:
        context.actor(session, Permission.NETWORK_IMPORT)
        mapping = _mapping(context, session, importer)
    try:
        with console.progress(N_("Checking {file}"), file=options.file.name) as bar:
            run = _stage(context, importer, mapping, bar)
    except BadRows as refused:
        _show_findings(context, refused)
        return 1
    is_known = run.is_published
    with console.progress(N_("Publishing")), context.acting(Permission.NETWORK_IMPORT) as (session, actor):
        run = service.publish(session, importer, session.get_one(ImportRun, run.id), actor=actor, now=context.now)
    with context.database.reading() as session:
        service.remove_staging(session, run)
    _report(context, run, is_known=is_known)
    return 0


def _mapping(context: Context, session: Session, importer: Importer) -> FileMapping:
    options = context.options
    if options.mapping:
        return named_mapping(session, options.mapping)
    guess = guess_mapping(importer, options.file)
    if guess.unmapped_required:
        raise NotReady(fields=", ".join(guess.unmapped_required), kind=options.kind, file=options.file.name)
    context.console.say(N_("No mapping was named; this is what the file seems to be:"))
    describe_guess(context.console, guess)
    return guess.mapping


def _stage(context: Context, importer: Importer, mapping: FileMapping, progress: Bar) -> ImportRun:
    """The long check only reads; what it found is kept in a short unit of work."""
    with context.database.reading() as session:
        checked = service.check_import(
            session,
            importer,
            context.options.file,
            mapping,
            now=context.now,
            quarantine=context.options.quarantine,
            progress=progress,
        )
    with context.acting(Permission.NETWORK_IMPORT) as (session, actor):
        return service.keep_import(session, checked, actor=actor, now=context.now)


def _report(context: Context, run: ImportRun, *, is_known: bool) -> None:
    console = context.console
    if is_known:
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
        }
    )


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
