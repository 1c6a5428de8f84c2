"""``pilot backup`` and ``pilot restore``."""

import argparse
from pathlib import Path

from pilot.cli.console import phrase
from pilot.cli.context import Context, add_common
from pilot.upkeep.backup import Manifest, back_up
from pilot.upkeep.restore import restore
from pilot.words import N_


def configure(name: str, command: argparse.ArgumentParser) -> None:
    add_common(command)
    if name == "backup":
        command.add_argument("target", type=Path, metavar="DIR", help=phrase(N_("a folder that does not exist yet")))
        keys = phrase(N_("write the keys to this file, apart from the backup"))
        command.add_argument("--with-keys", type=Path, metavar="FILE", help=keys)
        left = phrase(N_("leave the receipts out: the lake is kept elsewhere, for example by its bucket's versioning"))
        command.add_argument("--without-lake", action="store_true", help=left)
        command.set_defaults(do=take)
        return
    command.add_argument("backup", type=Path, metavar="DIR", help=phrase(N_("what “pilot backup” made")))
    command.add_argument("--keys", type=Path, metavar="FILE", help=phrase(N_("the keys that were written apart")))
    command.set_defaults(do=bring_back)


def take(context: Context) -> None:
    options, console = context.options, context.console
    with console.progress(N_("Backing up")) as bar:
        manifest = back_up(
            context.database,
            options.target,
            now=context.settings.wall_clock(),
            keys_file=options.with_keys,
            with_lake=not options.without_lake,
            progress=bar,
        )
    console.say(N_("The backup is in {path}: {files} files."), path=options.target, files=len(manifest.files))
    if manifest.lake_left_at is not None:
        left = N_("The receipts are NOT in it: keep the lake at {place} yourself, as it is now (version {version}).")
        console.say(left, place=manifest.lake_left_at, version=_version(manifest))
    if options.with_keys:
        console.say(N_("The keys are in {path}. Keep them where the backup is not."), path=options.with_keys)
    else:
        missing = N_(
            "The keys are NOT in it ({path}); without them the log cannot go on. --with-keys FILE writes them."
        )
        console.say(missing, path=context.settings.keys_dir)
    console.answer(
        {
            "backup": options.target,
            "files": len(manifest.files),
            "revision": manifest.revision,
            "lake_version": manifest.lake_version,
            "lake_left_at": manifest.lake_left_at,
            "audit_head": manifest.audit_head,
            "keys": options.with_keys,
        }
    )


def bring_back(context: Context) -> None:
    options, console, settings = context.options, context.console, context.settings
    with console.progress(N_("Restoring")):
        manifest = restore(settings, options.backup, keys_file=options.keys)
    console.say(N_("Restored into {home}: taken at {at}."), home=settings.home, at=manifest.taken_at)
    if manifest.lake_left_at is not None:
        missing = N_(
            "The backup holds NO receipts: they were left at {before}. Before anybody works, put the lake to {place} "
            "as it was then, at version {version}."
        )
        console.say(missing, before=manifest.lake_left_at, place=settings.lake_root, version=_version(manifest))
    if options.keys is None:
        console.say(N_("Next: put the keys into {path}, then “pilot audit verify --head {head}”."),
                    path=settings.keys_dir, head=manifest.audit_head)  # fmt: skip
    else:
        console.say(N_("Next: “pilot audit verify --head {head}”."), head=manifest.audit_head)
    console.say(N_("Imports that were only staged are staged no more: import those files again."))
    console.answer({"home": settings.home, "revision": manifest.revision, "audit_head": manifest.audit_head,
                    "lake_left_at": manifest.lake_left_at})  # fmt: skip


def _version(manifest: Manifest) -> str:
    return "–" if manifest.lake_version is None else str(manifest.lake_version)
