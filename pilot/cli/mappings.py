"""``pilot mapping``: guess how a file is written, correct it, save it under a name."""

import argparse
import json
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from pilot.access.permissions import Permission
from pilot.cli.console import Console
from pilot.cli.context import Context, read_json
from pilot.cli.verbs import Verbs
from pilot.imports.mapping import FileMapping, MappingGuess, guess_mapping
from pilot.imports.model import ColumnMapping, ImportKind
from pilot.imports.queries import saved_mapping
from pilot.imports.service import save_mapping
from pilot.outcomes.importers import importer_for
from pilot.words import N_

_KINDS = [str(kind) for kind in ImportKind]


def configure(_name: str, command: argparse.ArgumentParser) -> None:
    verbs = Verbs(command)
    guess = verbs.add("guess", N_("what a file seems to be; --out writes it to be corrected"), show_guess)
    guess.add_argument("kind", choices=_KINDS)
    guess.add_argument("file", type=Path)
    guess.add_argument("--out", type=Path, metavar="FILE")
    save = verbs.add("save", N_("keep a corrected mapping under a name"), save_as, acts=True)
    save.add_argument("name")
    save.add_argument("kind", choices=_KINDS)
    save.add_argument("file", type=Path, metavar="FILE.json")
    verbs.add("show", N_("one saved mapping"), show).add_argument("name")
    verbs.add("list", N_("the saved mappings"), show_all)


def show_guess(context: Context) -> None:
    options, console = context.options, context.console
    guess = guess_mapping(importer_for(ImportKind(options.kind)), options.file)
    describe_guess(console, guess)
    for row in guess.sample:
        console.say("  {row}", row=" | ".join(value or "" for value in row.values()))
    if guess.unmapped_required:
        console.say(N_("No column was found for: {fields}."), fields=", ".join(guess.unmapped_required))
    if options.out:
        options.out.write_text(json.dumps(guess.mapping.to_dict(), indent=2, ensure_ascii=False) + "\n", "utf-8")
        console.say(N_("Next: correct {path}, then “pilot import {kind} {file} --mapping {path}”."),
                    path=options.out, kind=options.kind, file=options.file)  # fmt: skip
    console.answer(
        {
            "mapping": guess.mapping.to_dict(),
            "columns": guess.columns,
            "missing": guess.unmapped_required,
            "unused": guess.unused,
        }
    )


def save_as(context: Context) -> None:
    options = context.options
    mapping = FileMapping.from_dict(read_json(options.file))
    with context.acting(Permission.NETWORK_IMPORT) as (session, actor):
        save_mapping(session, options.name, ImportKind(options.kind), mapping, actor=actor, now=context.now)
    context.console.say(
        N_("Saved. Next: “pilot import {kind} FILE --mapping {name}”."), kind=options.kind, name=options.name
    )
    context.console.answer({"name": options.name, "mapping": mapping.to_dict()})


def show(context: Context) -> None:
    with context.database.reading() as session:
        mapping = named_mapping(session, context.options.name)
    describe(context.console, mapping)
    context.console.answer(mapping.to_dict())


def show_all(context: Context) -> None:
    with context.database.reading() as session:
        saved = session.scalars(select(ColumnMapping).order_by(ColumnMapping.code)).all()
        context.console.table([N_("Name"), N_("Kind")], [(mapping.code, mapping.kind) for mapping in saved])
        context.console.answer([{"name": m.code, "kind": str(m.kind), "mapping": m.definition} for m in saved])


def named_mapping(session: Session, name: str) -> FileMapping:
    """The mapping in a JSON file, or the saved one of this name; ``NotFound`` otherwise."""
    if name.endswith(".json"):
        return FileMapping.from_dict(read_json(Path(name)))
    return saved_mapping(session, name)


def describe_guess(console: Console, guess: MappingGuess) -> None:
    """What was understood of a file, and which of its columns will not be read."""
    describe(console, guess.mapping)
    if guess.unused:
        console.say(
            N_("  not read: {columns}. Name them in a mapping if they are wanted."), columns=", ".join(guess.unused)
        )


def describe(console: Console, mapping: FileMapping) -> None:
    """How the file is read, and which column is which field."""
    stored = mapping.to_dict()
    columns: dict[str, str] = stored.pop("columns")
    attributes: dict[str, str] = stored.pop("attributes")
    for option, value in stored.items():
        console.say("  {option}: {value}", option=option, value=value)
    for field, column in columns.items():
        console.say("  {field} ← {column}", field=field, column=column)
    for attribute, column in attributes.items():
        console.say(N_("  attribute {attribute} ← {column}"), attribute=attribute, column=column)
