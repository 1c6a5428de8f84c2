"""``pilot analyze``: a plan and a table in, a report out. Needs no installation and no database."""

import argparse
import json
import string
from html import escape
from pathlib import Path

from pilot.cli.console import phrase
from pilot.cli.context import Context, add_common
from pilot.evidence.files import analyze_file
from pilot.words import N_

_PAGE = string.Template(
    """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; color: #1b2431; max-width: 76rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.4rem; }
h2 { font-size: 1.1rem; }
table { border-collapse: collapse; white-space: nowrap; margin: 1rem 0; }
caption { text-align: left; font-weight: 600; padding: .3rem 0; }
th, td { padding: .35rem .5rem; border-bottom: 1px solid #c8ced6; text-align: right; }
th:first-child, th:nth-child(2), td:nth-child(2), td[colspan] { text-align: left; }
td[colspan] { white-space: normal; }
li { overflow-wrap: anywhere; }
</style>
</head>
<body>
<main>
<h1>$title</h1>
$report
</main>
</body>
</html>
"""
)


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
        title = escape(f"{options.data.name} by {options.plan.name}")
        page = _PAGE.substitute(title=title, report=found.html)
        forms = {".html": page, ".htm": page, ".txt": found.text}
        document = json.dumps(found.document, ensure_ascii=False, indent=2) + "\n"
        options.out.write_text(forms.get(options.out.suffix.lower(), document), "utf-8")
    console.say("{report}", report=found.text.rstrip("\n"))
    console.answer(found.document)
