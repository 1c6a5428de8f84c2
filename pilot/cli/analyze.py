"""``pilot analyze``: a plan and a table in, a report out. Needs no installation and no database."""

import argparse
import json
from pathlib import Path

from pilot.cli.console import phrase
from pilot.cli.context import Context, add_common
from pilot.evidence.files import analyze_file
from pilot.words import N_


def configure(_name: str, command: argparse.ArgumentParser) -> None:
    command.add_argument("plan", type=Path, metavar="PLAN.yaml", help=phrase(N_("what means what, and what is tested")))
    command.add_argument("data", type=Path, metavar="DATA", help=phrase(N_("the table: CSV or Parquet")))
    out = N_("write the report there too: HTML for .html, text for .txt, else JSON")
    command.add_argument("--out", type=Path, metavar="FILE", help=phrase(out))
    add_common(command)
    command.set_defaults(do=analyze)


def analyze(context: Context) -> None:
    """The report on stdout, as text or as one JSON document; only what spoils the whole file ends in a refusal."""
    options, console = context.options, context.console
    found = analyze_file(options.plan, options.data)
    if options.out is not None:
        forms = {".html": found.html, ".txt": found.text}
        document = json.dumps(found.document, ensure_ascii=False, indent=2) + "\n"
        options.out.write_text(forms.get(options.out.suffix, document), "utf-8")
    console.say("{report}", report=found.text.rstrip("\n"))
    console.answer(found.document)
