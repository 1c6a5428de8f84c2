"""The toy data of the R scripts, made by the same formulas: r/r_clubsandwich.R (stores) and r/r_panel.R (panel)."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def toy_store() -> dict[str, Floats]:
    sizes, treated = (12, 20, 7, 31, 15, 9, 24, 18), (1, 0, 1, 0, 1, 0, 0, 1)
    shift = (0.3, -0.2, 0.5, -0.1, 0.0, 0.4, -0.35, 0.15)
    rows = []
    for g in range(1, 9):
        for i in range(1, sizes[g - 1] + 1):
            t, x = treated[g - 1], (i * 7 + g * 3) % 11 / 10
            rows.append((g, t, x, round(0.5 * t + 0.8 * x + shift[g - 1] + ((i * 13 + g * 5) % 17 - 8) / 10, 4)))
    return dict(zip(("store", "t", "x", "y"), np.array(rows, dtype=float).T, strict=True))


def toy_panel() -> dict[str, Floats]:
    shift = (0.5, -0.4, 0.2, 0.1, -0.6, 0.3, -0.1, 0.4, -0.3, 0.2, 0.1, -0.5)
    rows = []
    for store in range(1, 13):
        for week in range(1, 11):
            t = float(store <= 4 and week >= 7)
            noise = ((store * 17 + week * 29 + store * week * 7) % 23 - 11) / 10
            later = shift[store - 1] if week >= 7 else 0.0
            rows.append((store, week, t, round(store * 0.3 + week * 0.1 + 0.6 * t + noise + later, 4)))
    return dict(zip(("store", "week", "t", "y"), np.array(rows, dtype=float).T, strict=True))
