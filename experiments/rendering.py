"""A report for a person: plain text for a terminal of 100 columns, and an accessible HTML table for notebooks."""

import textwrap
from collections.abc import Sequence
from html import escape

from experiments.monitor.diagnostic import Status
from experiments.plan import Kind
from experiments.report import Report, Row
from experiments.rows.verdict import amount, level

WIDTH = 100
_NAME, _VARIANT = 30, 16
_HEADER = ("metric", "variant", "control", "value", "effect", "interval", "p", "adjusted")


def as_text(report: Report) -> str:
    """The report as lines of at most 120 characters; long names are cut in the table and whole in the sentences."""
    lines = [_title(report), ""]
    lines += _table([_HEADER, *(_cells(row) for row in report.rows if row.refusal is None)])
    lines.append("")
    for row in report.rows:
        lines += _wrapped(f"• {_sentence(row)}")
    for found in report.omnibus:
        if found.df is not None and found.statistic is not None and found.p_value is not None:
            lines += _wrapped(
                f"• {found.metric}, all variants together: F({found.df[0]}, {found.df[1]}) = {found.statistic:.3f}, "
                f"p {_p(found.p_value, relation=True)}"
            )
    if report.warnings:
        lines += ["", "Warnings"]
        for message in report.warnings:
            lines += _wrapped(f"! {message}")
    fine = [found for found in report.diagnostics if found.status is Status.OK]
    if fine:
        lines += ["", "Checks that found nothing"]
        lines += _wrapped(", ".join(dict.fromkeys(found.check for found in fine)))
    lines += ["", "How it was analysed"]
    for text in _methods(report):
        lines += _wrapped(text)
    return "\n".join(lines) + "\n"


def as_html(report: Report) -> str:
    """The report as HTML: a table with a caption and header cells, then the sentences. Everything is escaped."""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in (*_HEADER, "verdict"))
    body = "".join(_html_row(row) for row in report.rows)
    warnings = "".join(f"<li>{escape(str(message))}</li>" for message in report.warnings)
    listed = f"<p>Warnings</p><ul>{warnings}</ul>" if warnings else ""
    methods = "".join(f"<li>{escape(text)}</li>" for text in _methods(report))
    return (
        f"<table><caption>{escape(_title(report))}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        f"{listed}<details><summary>How it was analysed</summary><ul>{methods}</ul></details>"
    )


def _title(report: Report) -> str:
    title = f"Against {report.control}, {1 - report.alpha:.0%} confidence"
    if report.look is None:
        return title
    level = 1 - report.look.gate_confidence
    return f"{title}; look {report.look.look} of {report.look.looks_planned}, read at {level:.3g}"


def _cells(row: Row) -> tuple[str, ...]:
    kind = Kind(row.kind)
    low, high = row.interval or (None, None)
    name = row.metric if row.segment is None else f"{row.metric} [{row.segment}]"
    relative = f" ({row.relative_effect:+.1%})" if row.relative_effect is not None else ""
    return (
        _short(name, _NAME),
        _short(row.variant, _VARIANT),
        level(row.mean_control, kind),
        level(row.mean_variant, kind),
        f"{amount(row.effect, kind).removesuffix(' points')}{relative}",
        f"{amount(low, kind).removesuffix(' points')} to {amount(high, kind).removesuffix(' points')}",
        _p(row.p_value),
        _p(row.p_value_adjusted),
    )


def _short(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def _p(value: float | None, *, relation: bool = False) -> str:
    if value is None:
        return ""
    if value < 0.001:
        return "< 0.001" if relation else "<.001"
    return f"= {value:.3f}" if relation else f"{value:.3f}"


def _sentence(row: Row) -> str:
    name = row.metric if row.segment is None else f"{row.metric} [{row.segment}]"
    if row.refusal is not None:
        return f"{name}, {row.variant}: not tested. {row.refusal}."
    return f"{row.verdict}."


def _methods(report: Report) -> list[str]:
    """Each method once, with the rows it answered, why, and what it assumes."""
    said: dict[str, list[str]] = {}
    for row in report.rows:
        if row.refusal is None and row.segment is None:
            why = f" ({row.reason})" if row.reason else ""
            rests = "; ".join(str(message) for message in row.assumptions)
            text = f"{row.method}{why}, every {(row.estimand or '').removesuffix('s')} counts"
            said.setdefault(f"{text}; {rests}" if rests else text, []).append(f"{row.metric}/{row.variant}")
    found = [f"- {', '.join(names)}: {text}." for text, names in said.items()]
    beside = sorted({finding.method for row in report.rows for finding in row.alternatives})
    if beside:
        found.append(f"- Beside the headline, in the JSON document: {', '.join(beside)}.")
    return [*found, f"- Seed {report.seed}."]


def _html_row(row: Row) -> str:
    name = row.metric if row.segment is None else f"{row.metric} [{row.segment}]"
    first = f'<th scope="row">{escape(name)}</th>'
    if row.refusal is not None:
        text = f"not tested: {row.refusal}"
        return f'<tr>{first}<td>{escape(row.variant)}</td><td colspan="{len(_HEADER) - 1}">{escape(text)}</td></tr>'
    cells = "".join(f"<td>{escape(cell)}</td>" for cell in (row.variant, *_cells(row)[2:], str(row.verdict)))
    return f"<tr>{first}{cells}</tr>"


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    if len(rows) < 2:
        return ["No row could be tested."]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, subsequent_indent="  ", break_long_words=False) or [""]
