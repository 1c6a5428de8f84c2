"""Who gets what, in process: our till beside PlanOut's interpreter and the GrowthBook SDK under equal rules.

All three know the same four rules: before its first day the stage gives nothing, a customer whose variant is fixed by
hand gets it, a tenth of the others is held out, and the rest falls 50 : 50 by a salted hash. Each prepares what it
can: ours a till for the day, which every call looks up. One look-up is one customer in one call. Checked first: the
fixed get theirs, and the shares of the others agree within five standard errors of a fair draw.
"""

import collections
import collections.abc
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date
from importlib.metadata import version

from benchmarks.timing import fastest

N, REPEATS = 20_000, 5
BAR = 10.0
FIXED = {str(key): ("points" if key % 200 else "control") for key in range(100, N + 1, 100)}  # one in a hundred
STARTS_ON, TODAY = date(2026, 3, 9), date(2026, 3, 20)
Answer = Callable[[str], str | None]


def main() -> int:
    """Print the table; 1 when a bar is missed."""
    keys = [str(key) for key in range(1, N + 1)]
    ways: dict[str, Answer] = {"ours": ours(), "PlanOut": planout(), "GrowthBook": growthbook()}
    for way in ways.values():
        _check(way, keys)
    seconds = {name: fastest(lambda way=way: [way(key) for key in keys], REPEATS) for name, way in ways.items()}
    print("### Look-up in process, equal rules\n")
    print(f"{N:,} customers, one call each; PlanOut {version('planout')}, growthbook {version('growthbook')}.\n")
    print("| | look-ups a second | ours is faster by | bar |")
    print("|---|---|---|---|")
    missed = 0
    for name, took in seconds.items():
        times = took / seconds["ours"]
        is_peer = name != "ours"
        missed += is_peer and times < BAR
        verdict = f"≥ {BAR:g}×{'' if times >= BAR else ' **missed**'}" if is_peer else ""
        print(f"| {name} | {N / took:,.0f} | {f'{times:.1f}×' if is_peer else ''} | {verdict} |")
    return 1 if missed else 0


def _check(way: Answer, keys: Sequence[str]) -> None:
    """Equal rules: the fixed as fixed, a tenth held out, the rest half and half."""
    given = {key: way(key) for key in keys}
    assert all(given[key] == variant for key, variant in FIXED.items())
    free = Counter(given[key] for key in keys if key not in FIXED)
    n, drawn = sum(free.values()), free["control"] + free["points"]
    assert set(free) == {None, "control", "points"}
    assert abs(free[None] / n - 0.1) < 5 * (0.09 / n) ** 0.5
    assert abs(free["points"] / drawn - 0.5) < 5 * (0.25 / drawn) ** 0.5


def ours() -> Answer:
    """The product's own till over a snapshot of two draws: a closed list of the fixed, and a hash with a holdout."""
    from benchmarks.lookup_rules import till_and_people

    till, people = till_and_people(N, FIXED, STARTS_ON, TODAY)
    tills, today = {TODAY: till}, TODAY
    variants = {"points": "points", "control": "control", "held_out": None}
    return lambda key: variants[tills[today].verdict(people[key]).variant or ""]


def planout() -> Answer:
    """PlanOut's interpreter over its compiled script, made once; a new interpreter each time, as it wants it."""
    collections.MutableMapping = collections.abc.MutableMapping  # type: ignore[attr-defined] # PlanOut 0.6 asks for it
    from planout.interpreter import Interpreter

    def op(name: str, **arguments: object) -> dict[str, object]:
        return {"op": name, **arguments}

    def get(name: str) -> dict[str, object]:
        return op("get", var=name)

    def put(name: str, value: object) -> dict[str, object]:
        return op("set", var=name, value=value)

    drawn = put("variant", op("uniformChoice", choices=["control", "points"], unit=get("customer")))
    in_layer = op("cond", cond=[{"if": op("not", value=get("held_out")), "then": drawn}])
    by_hash = op("seq", seq=[put("held_out", op("bernoulliTrial", p=0.1, unit=get("customer"))), in_layer])
    of_list = put("variant", get("fixed"))
    script = op("cond", cond=[
        {"if": op(">", left=get("starts_on"), right=get("today")), "then": put("variant", None)},
        {"if": get("fixed"), "then": of_list},
        {"if": True, "then": by_hash},
    ])  # fmt: skip
    days = {"starts_on": STARTS_ON.toordinal(), "today": TODAY.toordinal()}

    def answer(key: str) -> str | None:
        inputs = {"customer": key, "fixed": FIXED.get(key), **days}
        return Interpreter(script, "bench", inputs).get_params().get("variant")

    return answer


def growthbook() -> Answer:
    """The GrowthBook SDK's own evaluation of one feature: forced values, a holdout by coverage, a hash at 50 : 50."""
    from growthbook import GrowthBook

    rules = [
        {"condition": {"today": {"$lt": STARTS_ON.toordinal()}}, "force": None},
        {"condition": {"fixed": "points"}, "force": "points"},
        {"condition": {"fixed": "control"}, "force": "control"},
        {"key": "bench", "hashAttribute": "id", "hashVersion": 2, "variations": ["control", "points"],
         "weights": [0.5, 0.5], "coverage": 0.9},
    ]  # fmt: skip
    book = GrowthBook(features={"variant": {"defaultValue": None, "rules": rules}})
    today = TODAY.toordinal()

    def answer(key: str) -> str | None:
        book.set_attributes({"id": key, "today": today, "fixed": FIXED.get(key)})
        found: str | None = book.get_feature_value("variant", None)
        return found

    return answer


if __name__ == "__main__":
    sys.exit(main())
