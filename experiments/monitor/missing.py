"""Missing and late data: periods that a unit did not report, and units that have gone silent at the end.

A hole in the middle is a lost delivery; silence at the end is data that are late, or a unit that closed. Both are
counted, and the holes are compared between the arms.
"""

import numpy as np
from numpy.typing import NDArray

from experiments.errors import InvalidNumber
from experiments.estimate.unit_table import Floats, Ints
from experiments.messages import N_, Message
from experiments.monitor.attrition import attrition
from experiments.monitor.diagnostic import Diagnostic, Status

Bools = NDArray[np.bool_]
MISSING_CHECK, LATE_CHECK = "missing_data", "late_data"
WARNING, ALARM = 0.05, 0.20  # share of units silent at the end; conventions


def missing_data(
    observed: Bools, treated: Floats, block: Ints | None = None, *, variant: str | None = None
) -> Diagnostic:
    """Unit × period cells without a row, compared between the arms as a share of each unit; ``value`` is the
    p-value."""
    return attrition(1.0 - _cells(observed).mean(axis=1), treated, block, check=MISSING_CHECK, variant=variant)


def late_data(observed: Bools, treated: Floats, *, variant: str | None = None) -> Diagnostic:
    """Units without a row in the last period that anyone reported; ``value`` is their share of all units.

    A warning above 5 % and an alarm above 20 %, and never less than a warning where only one arm is late in more than
    5 % of its units.
    """
    cells = _cells(observed)
    t = np.asarray(treated, dtype=np.float64)
    if not cells.any():
        raise InvalidNumber(name="observed", value="nothing", must_be="at least one cell with a row")
    last = int(np.flatnonzero(cells.any(axis=0))[-1])
    silent = ~cells[:, last]
    share = float(silent.mean())
    by_arm = [float(silent[t == arm].mean()) if (t == arm).any() else 0.0 for arm in (0.0, 1.0)]
    status = Status.ALARM if share > ALARM else Status.WARN if max(share, *by_arm) > WARNING else Status.OK
    message = Message(
        "late_data",
        N_("{n} of {units} units have no row in the last period (control {control:.1%}, variant {treated:.1%})"),
        {"n": int(silent.sum()), "units": len(cells), "control": by_arm[0], "treated": by_arm[1]},
    )
    return Diagnostic(LATE_CHECK, status, share, message, variant)


def _cells(observed: Bools) -> Bools:
    cells = np.asarray(observed, dtype=np.bool_)
    if cells.ndim != 2 or not cells.size:
        raise InvalidNumber(name="observed", value=cells.ndim, must_be="one row per unit, one column per period")
    return cells
