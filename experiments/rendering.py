"""A report for a person: plain text for a terminal of 100 columns, and an accessible HTML table for notebooks."""

import math
import textwrap
from collections.abc import Sequence
from html import escape

from experiments.monitor.diagnostic import Status
from experiments.plan import Kind, Role
from experiments.report import Report, Row
from experiments.rows.finding import Finding
from experiments.rows.verdict import amount, level

WIDTH = 100
_NAME, _VARIANT = 26, 14
_HEADER = ("metric", "variant", "units", "control", "value", "effect", "interval", "p", "adjusted")
_LEFT = 2  # columns of words; those of numbers are set to the right
_SAME = 1e-6  # of the effect: a smaller distance from the difference of the two means is rounding
_OTHERS = "Other questions to the same data"
_COUNTS = {"units": "every unit counts once", "rows": "every row counts"}
_PER = {"total": "in total", "log hazard ratio": "as the logarithm of the hazard ratio"}
_ADJUSTMENTS = {
    "dunnett": "Dunnett",
    "max_t": "max-T",
    "holm": "Holm",
    "benjamini_hochberg": "Benjamini and Hochberg",
}


def as_text(report: Report) -> str:
    """The report as lines for a terminal; long names are cut in the table and whole in the sentences."""
    lines = [_title(report), ""]
    for message in _alarms(report):
        lines += _wrapped(f"!! ALARM: {message}")
    lines += [""] if _alarms(report) else []
    lines += _table([_HEADER, *(_cells(row) for row in report.rows if row.refusal is None)])
    lines.append("")
    for row in report.rows:
        lines += _wrapped(f"• {_sentence(row)}")
    for text in _omnibus(report):
        lines += _wrapped(f"• {text}")
    if _others(report):
        lines += ["", _OTHERS]
        for text in _others(report):
            lines += _wrapped(f"- {text}")
    if _warnings(report):
        lines += ["", "Warnings"]
        for message in _warnings(report):
            lines += _wrapped(f"! {message}")
    fine = _fine(report)
    if fine:
        lines += ["", "Checks that found nothing", *_wrapped(fine)]
    lines += ["", "How to read the table"]
    for text in _legend(report):
        lines += _wrapped(f"- {text}")
    lines += ["", "How it was analysed"]
    for text in _methods(report):
        lines += _wrapped(f"- {text}")
    return "\n".join(lines) + "\n"


def as_html(report: Report) -> str:
    """The report as HTML: the sentences, then a table with a caption and header cells that scrolls sideways where the
    screen is narrow, then the rest of the text. Everything is escaped."""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in _HEADER)
    body = "".join(_html_row(row) for row in report.rows)
    parts = [
        _list("Alarms", _alarms(report)),
        _list("What was found", [*(_sentence(row) for row in report.rows), *_omnibus(report)]),
        _list(_OTHERS, _others(report)),
        _list("Warnings", _warnings(report)),
        '<div role="region" aria-label="Effects" tabindex="0" style="overflow-x: auto">'
        f"<table><caption>{escape(_title(report))}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        "</div>",
        _folded("How to read the table", _legend(report)),
        _folded("Checks that found nothing", [_fine(report)] if _fine(report) else []),
        _folded("How it was analysed", _methods(report)),
    ]
    return "".join(parts)


def _list(title: str, texts: Sequence[str]) -> str:
    items = "".join(f"<li>{escape(text)}</li>" for text in texts)
    return f"<h2>{title}</h2><ul>{items}</ul>" if texts else ""


def _folded(title: str, texts: Sequence[str]) -> str:
    items = "".join(f"<li>{escape(text)}</li>" for text in texts)
    return f"<details><summary>{title}</summary><ul>{items}</ul></details>" if texts else ""


def _title(report: Report) -> str:
    if report.look is None:
        return f"Against {report.control}, {_per_cent(1 - report.alpha)} confidence"
    look = report.look
    side = " on the side of harm alone" if look.harm_only else ""
    return (
        f"Against {report.control}, {_per_cent(look.gate_confidence)} confidence; "
        f"look {look.look} of {look.looks_planned}, tested at a level of {look.level:.3g}{side}"
    )


def _per_cent(share: float) -> str:
    return f"{share * 100:.4g} %"


def _fine(report: Report) -> str:
    return ", ".join(dict.fromkeys(found.check for found in report.diagnostics if found.status is Status.OK))


def _alarms(report: Report) -> list[str]:
    """What must be known before any number: the experiment itself is in doubt, or can never say yes."""
    return list(dict.fromkeys(str(found.message) for found in report.diagnostics if found.status is Status.ALARM))


def _warnings(report: Report) -> list[str]:
    alarms = _alarms(report)
    return [str(message) for message in report.warnings if str(message) not in alarms]


def _others(report: Report) -> list[str]:
    """What the data also answer: compliers, money spent, the estimand that the plan did not choose."""
    return [
        f"{row.metric}, {row.variant}, {_question(finding)}: {amount(finding.effect, Kind(row.kind))}"
        f"{_range(row, finding)} ({finding.method})."
        for row in report.rows
        if row.segment is None
        for finding in row.alternatives
        if _asks_something_else(row, finding)
    ]


def _asks_something_else(row: Row, finding: Finding) -> bool:
    if finding.per is None and finding.estimand in (None, row.estimand):
        return False
    return finding.per is not None or not math.isclose(finding.effect, row.effect or 0.0, rel_tol=_SAME)


def _question(finding: Finding) -> str:
    if finding.per is None:
        return _COUNTS.get(str(finding.estimand), str(finding.estimand))
    return _PER.get(finding.per, f"per {finding.per}")


def _range(row: Row, finding: Finding) -> str:
    low, high = (None if end is None else amount(end, Kind(row.kind)) for end in finding.interval)
    said = [f"{low or 'no limit'} to {high or 'no limit'}"] if low or high else []
    said += [f"p {_p(finding.p_value, relation=True)}"] if finding.p_value is not None else []
    return f" ({', '.join(said)})" if said else ""


def _omnibus(report: Report) -> list[str]:
    return [
        f"{found.metric}, all variants together: F({found.df[0]}, {found.df[1]}) = {found.statistic:.3f}, "
        f"p {_p(found.p_value, relation=True)}."
        for found in report.omnibus
        if found.df is not None and found.statistic is not None and found.p_value is not None
    ]


def _legend(report: Report) -> list[str]:
    """What the columns mean, as far as it is needed here."""
    rows = [row for row in report.rows if row.refusal is None]
    shares = any(row.kind == Kind.PROPORTION for row in rows)
    found = [
        "units: how many count in the comparison, control included.",
        "effect: in the unit of the metric" + (" (points of a hundred for a share)" if shares else "")
        + ", in brackets as a share of control; interval: the effects that the data leave possible.",
    ]  # fmt: skip
    if any(_is_adjusted(row) for row in rows):
        found.append(
            "control, value: the two means as observed. The effect allows for blocks, earlier values or other "
            "covariates, as said below, and so need not be their difference."
        )
    families = dict.fromkeys(_ADJUSTMENTS[row.adjusted_by] for row in rows if row.adjusted_by in _ADJUSTMENTS)
    if families:
        found.append(
            f"adjusted: the p-value when all comparisons of its family count ({'; '.join(families)}); it decides. "
            "The intervals are those of each row alone."
        )
    if any(row.role == Role.GUARDRAIL for row in rows):
        found.append("p of a guardrail: small when the data rule a loss of its margin or more out.")
    return found


def _is_adjusted(row: Row) -> bool:
    if row.effect is None or row.mean_control is None or row.mean_variant is None:
        return False
    return abs(row.mean_variant - row.mean_control - row.effect) > _SAME * max(abs(row.effect), abs(row.mean_control))


def _cells(row: Row) -> tuple[str, ...]:
    kind = Kind(row.kind)
    low, high = row.interval or (None, None)
    name = row.metric if row.segment is None else f"{row.metric} [{row.segment}]"
    relative = f" ({row.relative_effect * 100:+.1f} %)" if row.relative_effect is not None else ""
    return (
        _short(name, _NAME),
        _short(row.variant, _VARIANT),
        "" if row.n_units is None else f"{row.n_units:,}",
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
    found = [f"{', '.join(names)}: {text}." for text, names in said.items()]
    beside = sorted({finding.method for row in report.rows for finding in row.alternatives})
    if beside:
        found.append(f"Beside the headline, in the JSON document: {', '.join(beside)}.")
    return [*found, f"Seed {report.seed}."]


def _html_row(row: Row) -> str:
    name = row.metric if row.segment is None else f"{row.metric} [{row.segment}]"
    first = f'<th scope="row">{escape(name)}</th>'
    if row.refusal is not None:
        text = f"not tested: {row.refusal}"
        return f'<tr>{first}<td>{escape(row.variant)}</td><td colspan="{len(_HEADER) - 1}">{escape(text)}</td></tr>'
    cells = "".join(f"<td>{escape(cell)}</td>" for cell in (row.variant, *_cells(row)[_LEFT:]))
    return f"<tr>{first}{cells}</tr>"


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    if len(rows) < 2:
        return ["No row could be tested."]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(_set(row, widths)).rstrip() for row in rows]


def _set(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    places = enumerate(zip(row, widths, strict=True))
    return [cell.ljust(width) if place < _LEFT else cell.rjust(width) for place, (cell, width) in places]


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, subsequent_indent="  ", break_long_words=False) or [""]
