"""``pilot watch``: take receipt files in as they arrive in a folder, each with a report beside it."""

import argparse
import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy.exc import DBAPIError

from pilot.access.permissions import Permission
from pilot.audit.service import record
from pilot.cli.console import phrase
from pilot.cli.context import Context, add_common
from pilot.cli.errors import UnreadableFile
from pilot.cli.imports import Taken, document_of, take
from pilot.cli.mappings import named_mapping
from pilot.errors import Misconfigured, PilotError
from pilot.imports import service
from pilot.imports.drop_folder import DropFolder, Outcome
from pilot.imports.errors import BadRows
from pilot.imports.files import import_files
from pilot.imports.mapping import FileMapping
from pilot.imports.model import ImportKind, ImportRun, RunState
from pilot.imports.reader import file_hash
from pilot.imports.rules import Finding
from pilot.imports.service import ImportFile
from pilot.outcomes.errors import ReceiptsClash
from pilot.outcomes.importers import importer_for
from pilot.words import N_, Message, translate

_SETTLE_SECONDS = 2.0  # a file that looks the same after this long is complete
_RETRY_SECONDS = 30.0
_SHOWN_FINDINGS = 50
_IMPORTER = importer_for(ImportKind.RECEIPTS)
_log = logging.getLogger(__name__)


class _Stopped(BaseException):
    """Somebody asked us to end; the file at hand goes back and its check is resumed by the next watcher."""


@dataclass(slots=True)
class _Watch:
    context: Context
    folder: DropFolder
    mapping: FileMapping | None
    stop: threading.Event = field(default_factory=threading.Event)
    n_done: int = 0
    n_rejected: int = 0

    def require_going(self) -> None:
        if self.stop.is_set():
            raise _Stopped


def configure(_name: str, command: argparse.ArgumentParser) -> None:
    add_common(command, acts=True)
    command.add_argument("folder", type=Path, metavar="DIR")
    mapping = phrase(N_("a saved mapping's name or a JSON file (default: guessed from each file)"))
    command.add_argument("--mapping", metavar="NAME|FILE", help=mapping)
    parks = phrase(N_("park bad rows instead of refusing the file"))
    command.add_argument("--quarantine", action="store_true", help=parks)
    once = phrase(N_("take what is there and end"))
    command.add_argument("--once", action="store_true", help=once)
    command.set_defaults(do=watch)


def watch(context: Context) -> int:
    """Until Ctrl-C or SIGTERM, or once: every complete file goes to done/ or rejected/. 1: a file was rejected."""
    options = context.options
    if not options.folder.is_dir():
        raise UnreadableFile(path=str(options.folder), problem=phrase(N_("no such folder")))
    with context.database.reading() as session:
        context.actor(session, Permission.NETWORK_IMPORT)
        mapping = named_mapping(session, options.mapping) if options.mapping else None
    watching = _Watch(context, DropFolder(options.folder.absolute()), mapping)
    if not options.once:
        context.console.say(N_("Watching {folder}. Ctrl-C ends it."), folder=options.folder)
    with watching.folder.at_work(), _ending_by_signals(watching):
        try:
            _go_on(watching, is_once=options.once)
        except _Stopped:
            context.console.say(N_("Stopped; a file that was being checked goes on with the next start."))
    if options.once:
        context.console.answer({"done": watching.n_done, "rejected": watching.n_rejected})
    return 1 if options.once and watching.n_rejected else 0


@contextmanager
def _ending_by_signals(watching: _Watch) -> Iterator[None]:
    """SIGTERM and Ctrl-C end the watch between two batches or files, never inside a commit."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    for number in before:
        signal.signal(number, lambda *_: watching.stop.set())
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _go_on(watching: _Watch, *, is_once: bool) -> None:
    while True:
        watching.require_going()
        taken = watching.folder.take_next()
        for name in watching.folder.passed_over():
            _log.warning("%s is no file and is passed over", name)
            watching.context.console.say(
                N_("{name} is passed over: it is a link, a folder or a pipe. Put the file itself here."), name=name
            )
        if taken is not None:
            _take(watching, taken, is_once=is_once)
        elif is_once and not watching.folder.is_waiting:
            return
        else:
            watching.stop.wait(_SETTLE_SECONDS)


def _take(watching: _Watch, taken: Path, *, is_once: bool) -> None:
    """One file, whatever comes of it. What is wrong with the machine is not the file's fault: it is tried again."""
    while True:
        try:
            outcome, document, lines = _outcome(watching, taken)
            break
        except (Misconfigured, OSError, DBAPIError) as error:
            if is_once:
                raise
            _log.warning("%s waits: %s", taken.name, error)
            watching.context.console.say(N_("{name} waits: {problem}"), name=taken.name, problem=_of(error))
            watching.stop.wait(_RETRY_SECONDS)
            watching.require_going()
    target = watching.folder.finish(taken, outcome, document, "\n".join(lines) + "\n")
    watching.n_done += outcome is Outcome.DONE
    watching.n_rejected += outcome is Outcome.REJECTED
    watching.context.console.say(N_("{place}: {what}"), place=f"{outcome}/{target.name}", what=lines[0])


def _outcome(watching: _Watch, taken: Path) -> tuple[Outcome, dict[str, Any], list[str]]:
    context, files = watching.context, []
    try:
        files = import_files(_IMPORTER, [taken], watching.mapping)
        done = _published(watching, files)
    except _Stopped:
        raise
    except Misconfigured:
        raise
    except PilotError as refusal:
        _write_refusal_down(context, refusal, taken, files)
        return Outcome.REJECTED, *_of_refusal(taken.name, refusal)
    return Outcome.DONE, *_of_import(taken.name, done)


def _published(watching: _Watch, files: list[ImportFile]) -> Taken:
    context = watching.context
    quarantine = context.options.quarantine
    try:
        return take(context, _IMPORTER, files, quarantine=quarantine, go_on=watching.require_going)
    except ReceiptsClash:
        # Another import came in between: checked again, the rows that clash are named (or parked).
        with context.acting(Permission.NETWORK_IMPORT) as (session, actor):
            for run in service.staged_runs(session, file_hash(files[0].path)):
                service.discard(session, run, actor=actor, now=context.now)
        return take(context, _IMPORTER, files, quarantine=quarantine, go_on=watching.require_going)


def _write_refusal_down(context: Context, refusal: PilotError, taken: Path, files: list[ImportFile]) -> None:
    """Bad rows are kept with their findings; of a file that cannot be read the log knows."""
    with context.acting(Permission.NETWORK_IMPORT) as (session, actor):
        if isinstance(refusal, BadRows):
            service.record_refusal(session, refusal, _IMPORTER, taken, files[0].mapping, actor=actor, now=context.now)
            return
        details = {"kind": str(_IMPORTER.kind), "file": taken.name, "reason": refusal.message.code}
        record(
            session,
            actor=actor.email,
            verb="import.refused",
            subject_kind="file",
            subject=file_hash(taken),
            details=details,
            at=context.now,
        )


def _of_import(name: str, done: Taken) -> tuple[dict[str, Any], list[str]]:
    run = done.run
    lines = [_sentence(run, is_known=done.is_known)]
    if run.n_quarantined:
        lines.append(
            phrase(
                N_("{rows:,} rows are in quarantine. Next: correct or drop them on the import's page."),
                rows=run.n_quarantined,
            )
        )
    document = {
        "file": name,
        "outcome": str(Outcome.DONE),
        "import": run.batch_id,
        "state": str(run.state),
        "rows": run.n_rows,
        "new": run.n_new,
        "known": run.n_known,
        "quarantined": run.n_quarantined,
        "lake_version": run.lake_version,
        "files": [document_of(file) for file in done.files],
    }
    return document, lines


def _sentence(run: ImportRun, *, is_known: bool) -> str:
    if is_known:
        return phrase(N_("This file is imported already ({run}); nothing has changed."), run=run.batch_id[:12])
    if run.state == RunState.UNCHANGED:
        return phrase(N_("All {rows:,} rows were known; nothing has changed."), rows=run.n_rows)
    return phrase(
        N_("Imported: {new:,} new of {rows:,} rows, {known:,} known."),
        new=run.n_new,
        rows=run.n_rows,
        known=run.n_known,
    )


def _of_refusal(name: str, refusal: PilotError) -> tuple[dict[str, Any], list[str]]:
    """What is wrong, where, and what to do: the refusal's own words, then the rows."""
    findings = list(refusal.findings) if isinstance(refusal, BadRows) else []
    lines = [translate(refusal.message), *map(_line, findings[:_SHOWN_FINDINGS])]
    if len(findings) > _SHOWN_FINDINGS:
        lines.append(phrase(N_("  … and {n:,} more, in the report for programs."), n=len(findings) - _SHOWN_FINDINGS))
    lines.append(phrase(N_("Nothing of this file was taken in. Mend it and put it into the folder again.")))
    document = {
        "file": name,
        "outcome": str(Outcome.REJECTED),
        "error": {"code": refusal.message.code, "message": translate(refusal.message)},
        "findings": [
            {"line": f.line, "column": f.column, "value": f.value, "reason": translate(f.reason)} for f in findings
        ],
    }
    return document, lines


def _line(finding: Finding) -> str:
    return phrase(
        N_("  line {line}, column “{column}”, value “{value}”: {reason}"),
        line=finding.line,
        column=finding.column,
        value=finding.value,
        reason=translate(finding.reason),
    )


def _of(error: BaseException) -> str:
    message: Message | None = getattr(error, "message", None)
    return translate(message) if isinstance(message, Message) else str(error).splitlines()[0]
