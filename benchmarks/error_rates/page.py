"""The page ``docs/methods/error_rates.md``: the rules, the misses, and a table a section."""

from collections.abc import Iterable

from benchmarks.error_rates.cell import Cell, Counts, Tally
from benchmarks.error_rates.judging import Kind, best_power, judge, monte_carlo_error, upper_bound
from benchmarks.error_rates.registry import Section, sections
from benchmarks.error_rates.store import Measured, load
from benchmarks.error_rates.units import BUILT, DISAGREE

COSTLY = 0.1  # points of power
MOST_COSTS = 15
_SPENDING = frozenset({"equal", "obrien_fleming", "pocock"})

_HEAD = """# Error rates: what every chosen method does, cell by cell

Measured by `python -m benchmarks.error_rates --write`; this page is its output. Each cell draws its own world at least
5,000 times (fewer only where its name says so), from a seed that is the SHA-256 of its name, and runs the module's own
functions. Permutations compare 399 redraws (999 in the first two sections, 199 in max-T) or all of them where these are
fewer; the module takes 9,999.

**Rules, fixed before.** The method that the module *chooses* in a cell rejects a true null in at most 7 % of the
replications at a nominal 5 % (upper 99 % Monte-Carlo bound at most 8 %) and in at least 3 %; its 95 % intervals hold
the truth in 93–98 %. Below 3 % it is named conservative, with the power it loses against the best method of the cell
that keeps the level. A permutation test has the level that its design can attain (4 against 4: 2/70 = 2.86 %; six
pairs: 2/64 = 3.12 %). Where the module refuses, the cell says why.

**Effects that differ.** In cells with “effects' sd” above zero the effects of the drawn units have that standard
deviation and a mean of exactly zero over the drawn units: that mean is the estimand. With equal arms every valid test
is then conservative, because the variance of the effects between units cannot be seen.

**How to read.** “False alarms” are the chosen method's: rate ± Monte-Carlo error and upper 99 % bound. The columns of
other methods show false alarms / coverage / power in percent. Power is for an effect of about three standard errors.
Shifting y and the truth together changes no test, so an interval that holds the truth is one whose p-value at the truth
is above 5 %; {inverted:,} intervals were built in full and held against their p-values: {disagree:.0f} disagreed.

**Notation.** 40 (4): forty units, four of them treated. ICC: correlation of customers inside a store. Size CV: the
spread of the stores' sizes over their mean. AR(1): correlation of a store's week with the week before. sd: standard
deviation, in units of the stores' own. An empty cell of the table: that method was not run there; a dash: there is
nothing to count.
"""


def page() -> str:
    """The whole page, from what was measured."""
    found, missing = _found()
    measured = [(cell, m) for _, pairs in found for cell, m in pairs]
    disagree = sum(m.tally.notes.get(DISAGREE, 0.0) for _, m in measured)
    inverted = int(sum(m.tally.notes.get(BUILT, 100.0) for _, m in measured if DISAGREE in m.tally.notes))
    parts = [
        _HEAD.format(inverted=inverted, disagree=disagree),
        _summary(measured),
        _misses(measured),
        _costs(measured),
    ]
    parts += [_section(section, pairs) for section, pairs in found]
    parts += [_missing(missing)] if missing else []
    return "\n".join(parts).rstrip("\n") + "\n"


def _found() -> tuple[list[tuple[Section, list[tuple[Cell, Measured]]]], list[Cell]]:
    """Every section with what was measured of it, and the cells of which nothing was."""
    found, missing = [], []
    for section in sections():
        pairs = []
        for cell in section.cells:
            measured = load(cell)
            if measured is None:
                missing.append(cell)
            else:
                pairs.append((cell, measured))
        if pairs:
            found.append((section, pairs))
    return found, missing


def _missing(cells: list[Cell]) -> str:
    lines = ["## Not measured yet", "", f"{len(cells)} cells that the next run of the command adds:", ""]
    return "\n".join((*lines, *(f"- {cell.key}" for cell in cells), "")) if cells else ""


def _summary(measured: list[tuple[Cell, Measured]]) -> str:
    kinds = [judge(cell, m.tally).kind for cell, m in measured]
    counts = ", ".join(f"{kinds.count(kind)} {kind.value}" for kind in Kind if kind in kinds)
    seconds = sum(m.seconds for _, m in measured)
    methods = sorted({cell.chosen for cell, _ in measured} - _SPENDING)
    spending = sorted({cell.chosen for cell, _ in measured} & _SPENDING)
    return (
        f"**Result.** {len(measured)} cells: {counts}. {seconds / 60:.0f} minutes of processor time.\n\n"
        f"**Methods judged.** {', '.join(f'`{name}`' for name in methods)}. "
        f"Levels of looks: {', '.join(f'`{name}`' for name in spending)}.\n"
    )


def _misses(measured: list[tuple[Cell, Measured]]) -> str:
    lines = ["## Misses", ""]
    for kind, title in (
        (Kind.OUTSIDE, "Outside the rules"),
        (Kind.BROKEN, "Assumption broken on purpose (the row states it)"),
    ):
        rows = [
            f"- {cell.key}: {judge(cell, m.tally).says}; {_rates(m.tally.counts[cell.chosen])}"
            for cell, m in measured
            if judge(cell, m.tally).kind is kind and cell.chosen in m.tally.counts
        ]
        lines += [f"**{title}.**" + (" None." if not rows else ""), "", *rows, *([""] if rows else [])]
    return "\n".join(lines)


def _costs(measured: list[tuple[Cell, Measured]]) -> str:
    """Where another method that keeps the level in that one cell finds more; it may fail in the next one."""
    lost = []
    for cell, m in measured:
        counts = m.tally.counts.get(cell.chosen)
        best, power = best_power(m.tally)
        if counts and best and not cell.refused and not cell.breaks and power - counts.power >= COSTLY:
            line = f"- {cell.key}: {100 * counts.power:.1f} % against {100 * power:.1f} % of `{best}`"
            lost.append((counts.power - power, line))
    return "\n".join(
        (
            "## What the choice costs",
            "",
            f"Cells in which another method keeps the level too and has {100 * COSTLY:.0f} points of power more. The",
            "choice rests on all cells: the same method may be far above the level in the next one.",
            "",
            *(line for _, line in sorted(lost)[:MOST_COSTS]),
            *([] if lost else ["None."]),
            *(
                ["", f"These are the largest of {len(lost)}; the tables show the others."]
                if len(lost) > MOST_COSTS
                else []
            ),
            "",
        )
    )


def _section(section: Section, pairs: list[tuple[Cell, Measured]]) -> str:
    methods = _methods(m.tally for _, m in pairs)
    others = [name for name in methods if any(name in m.tally.counts and name != cell.chosen for cell, m in pairs)]
    header = ["cell", "chosen", "false alarms (bound)", "coverage", "power", *others, "verdict"]
    lines = [f"## {section.title}", "", section.about, ""]
    lines += [_row(header), _row(["---"] * len(header))]
    for cell, m in pairs:
        lines.append(
            _row([_name(cell, m), f"`{cell.chosen}`", *_chosen(cell, m.tally), *_others(cell, m.tally, others)])
        )
    notes = [
        f"{cell.name}: {name} {value:.3g}"
        for cell, m in pairs
        for name, value in m.tally.notes.items()
        if name not in (BUILT, DISAGREE)
    ]
    refusals = [
        f"{cell.name}: {n:,} replications refused ({code})"
        for cell, m in pairs
        if not cell.refused
        for code, n in m.tally.refusals.items()
    ]
    if notes or refusals:
        lines += ["", "Noted: " + "; ".join((*notes, *refusals)) + "."]
    return "\n".join((*lines, ""))


def _name(cell: Cell, measured: Measured) -> str:
    return cell.name if measured.replications >= 5_000 else f"{cell.name} ({measured.replications:,} replications)"


def _chosen(cell: Cell, tally: Tally) -> list[str]:
    counts = tally.counts.get(cell.chosen)
    if cell.refused or counts is None or not counts.null:
        return ["–", "–", "–"]
    error = monte_carlo_error(counts.alarms, counts.null)
    bound = upper_bound(counts.alarms, counts.null)
    return [
        f"{100 * counts.alarm_rate:.2f} ± {100 * error:.2f} ({100 * bound:.2f})",
        _percent(counts.coverage),
        _percent(counts.power),
    ]


def _others(cell: Cell, tally: Tally, names: list[str]) -> list[str]:
    found = []
    for name in names:
        counts = tally.counts.get(name)
        found.append("" if counts is None or name == cell.chosen else _rates(counts))
    return [*found, judge(cell, tally).says]


def _rates(counts: Counts) -> str:
    return " / ".join(_percent(value) for value in (counts.alarm_rate, counts.coverage, counts.power))


def _percent(value: float) -> str:
    return "–" if value != value else f"{100 * value:.1f}"


def _methods(tallies: Iterable[Tally]) -> list[str]:
    names: list[str] = []
    for tally in tallies:
        names += [name for name in tally.counts if name not in names]
    return names


def _row(values: Iterable[str]) -> str:
    return "| " + " | ".join(values) + " |"
