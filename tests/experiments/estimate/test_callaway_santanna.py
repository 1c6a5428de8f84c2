"""Group-time effects and their averages: by hand, by brute force, by invariants, by simulation."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.errors import NotEstimable
from experiments.estimate.callaway_santanna import Aggregation, callaway_santanna
from experiments.estimate.group_time import Controls, group_time
from tests.experiments.panels import simulated, unit_panel

# starts 1, 2 and never, two units each
BY_HAND = unit_panel(
    [[0, 4, 5, 6], [2, 4, 5, 8], [1, 2, 6, 7], [3, 4, 8, 7], [0, 1, 2, 2], [2, 3, 3, 6]], [1, 1, 2, 2, -1, -1]
)


def _cells(controls: Controls) -> dict[tuple[int, int], float]:
    return {(c.start, c.period): c.effect for c in group_time(BY_HAND, controls=controls).cells}


def test_a_cell_is_the_change_of_its_start_less_that_of_its_controls() -> None:
    never, not_yet = _cells(Controls.NEVER_TREATED), _cells(Controls.NOT_YET_TREATED)
    assert never == pytest.approx(
        {(1, 1): 3 - 1, (1, 2): 4 - 1.5, (1, 3): 6 - 3, (2, 1): 1 - 1, (2, 2): 4 - 0.5, (2, 3): 4 - 2}
    )
    assert not_yet == pytest.approx(never | {(1, 1): 3 - 1})  # in period 1 start 2 is a control too; it moved by 1 also
    cell = next(c for c in group_time(BY_HAND, controls=Controls.NOT_YET_TREATED).cells if c.event == 0)
    assert (cell.n_treated, cell.n_control, cell.base) == (2, 4, 0)


def test_averages_weigh_cells_as_they_say() -> None:
    found = callaway_santanna(BY_HAND, controls=Controls.NEVER_TREATED)
    assert found.overall.effect == pytest.approx((2 + 2.5 + 3 + 3.5 + 2) / 5)
    group = found.average(Aggregation.GROUP)
    assert [part.effect for part in group.parts] == pytest.approx([2.5, 2.75])
    assert group.overall.effect == pytest.approx(2.625)
    calendar = found.average(Aggregation.CALENDAR)
    assert [(part.label, part.effect) for part in calendar.parts] == [
        ("1", pytest.approx(2.0)),
        ("2", pytest.approx(3.0)),
        ("3", pytest.approx(2.5)),
    ]
    dynamic = found.average(Aggregation.DYNAMIC)
    assert [part.position for part in dynamic.parts] == [-1, 0, 1, 2]
    assert [part.effect for part in dynamic.parts] == pytest.approx([0.0, 2.75, 2.25, 3.0])
    assert dynamic.overall.effect == pytest.approx((2.75 + 2.25 + 3.0) / 3)


def test_the_error_for_few_units_is_welchs_where_there_is_one_start() -> None:
    rng = np.random.default_rng(3)
    panel = simulated(rng, (4, 7), (3, -1), 6).panel
    overall = callaway_santanna(panel).overall
    score = panel.y[:, 3:].mean(axis=1) - panel.y[:, 2]
    arms = [score[panel.first_treated == 3], score[panel.first_treated == -1]]
    parts = [arm.var(ddof=1) / len(arm) for arm in arms]
    assert overall.effect == pytest.approx(arms[0].mean() - arms[1].mean())
    assert overall.welch.std_error == pytest.approx(np.sqrt(sum(parts)))
    assert overall.welch.df == pytest.approx(
        sum(parts) ** 2 / sum(v**2 / (len(arm) - 1) for v, arm in zip(parts, arms, strict=True))
    )


def test_the_normal_distribution_serves_only_where_every_start_has_twenty_units() -> None:
    rng = np.random.default_rng(5)
    assert callaway_santanna(simulated(rng, (20, 20, 20), (1, 2, -1), 4).panel).inference.df == np.inf
    assert callaway_santanna(simulated(rng, (19, 20, 20), (1, 2, -1), 4).panel).inference.df < 60


def test_without_a_never_treated_unit_the_last_start_has_no_effect_and_is_named() -> None:
    found = group_time(BY_HAND.keep(BY_HAND.first_treated >= 0), controls=Controls.NOT_YET_TREATED)
    assert [(c.start, c.period) for c in found.cells if c.event >= 0] == [(1, 1)]
    assert {(c.start, c.period) for c in found.unidentified_after_start} == {(1, 2), (1, 3), (2, 2), (2, 3)}
    with pytest.raises(NotEstimable, match="still untreated"):
        group_time(BY_HAND.keep(BY_HAND.first_treated >= 0), controls=Controls.NEVER_TREATED)


def test_units_that_cannot_take_part_are_left_out_by_name() -> None:
    y = np.vstack([BY_HAND.y, [[9, 9, 9, 9]], [[1, np.nan, 2, 3]], [[1, 2, 3, 5]]])
    panel = unit_panel(y, [1, 1, 2, 2, -1, -1, 0, -1, 3])
    found = group_time(panel, controls=Controls.NEVER_TREATED)
    assert found.left_out.always_treated == ("u06",)
    assert found.left_out.incomplete == ("u07",)
    assert found.left_out.alone == ("u08",)
    assert [message.code for message in found.left_out.messages()] == [
        "units_incomplete",
        "units_always_treated",
        "units_alone",
    ]
    assert {(c.start, c.period): c.effect for c in found.cells} == pytest.approx(_cells(Controls.NEVER_TREATED))
    with pytest.raises(NotEstimable, match="1 were treated from"):
        group_time(panel.keep(panel.first_treated <= 0), controls=Controls.NEVER_TREATED)


def test_a_covariate_that_explains_the_trend_restores_the_effect() -> None:
    """Both the start and the trend follow x: the plain difference is off, the doubly robust one is not."""
    rng = np.random.default_rng(8)
    x = rng.normal(size=2_000)
    first = np.where(x + rng.normal(size=2_000) > 0.8, 1, -1)
    y = np.column_stack([x, 2.5 * x + 1.0 * (first == 1)]) + 0.3 * rng.normal(size=(2_000, 2))
    panel = replace(unit_panel(y, first.tolist()), covariates=x[:, None])
    plain = callaway_santanna(replace(panel, covariates=None)).overall
    robust = callaway_santanna(panel).overall
    assert plain.effect > 2.0
    assert abs(robust.effect - 1.0) < 4 * robust.std_error < 0.2


def test_covariates_that_separate_a_start_from_its_controls_leave_no_effect() -> None:
    x = np.array([[5.0], [6.0], [1.0], [1.5], [1.2], [1.1]])
    found = group_time(replace(BY_HAND, covariates=x), controls=Controls.NEVER_TREATED)
    assert {cell.reason for cell in found.unidentified if cell.start == 1} == {"no_overlap"}
    assert 1 not in {cell.start for cell in found.cells}


def test_weights_count_a_unit_as_often_as_they_say() -> None:
    rng = np.random.default_rng(9)
    panel = simulated(rng, (3, 3, 4), (1, 2, -1), 5).panel
    weight = np.array([1, 2, 1, 3, 1, 1, 2, 1, 1, 2])
    again = np.repeat(np.arange(10), weight)
    doubled = unit_panel(panel.y[again], panel.first_treated[again].tolist())
    for kind in Aggregation:
        weighted = callaway_santanna(replace(panel, weight=weight.astype(float))).average(kind).overall.effect
        assert weighted == pytest.approx(callaway_santanna(doubled).average(kind).overall.effect)


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32 - 1), scale=st.floats(0.1, 10))
def test_levels_do_not_matter_scale_scales_and_a_constant_effect_is_found_exactly(seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    panel = simulated(rng, (3, 4, 3), (2, 3, -1), 6).panel
    lifted = panel.with_outcome(scale * (panel.y + rng.normal(size=(10, 1)) + rng.normal(size=6) + 2.0 * panel.treated))
    for kind in Aggregation:
        found, other = (callaway_santanna(p).average(kind).overall for p in (panel, lifted))
        assert other.effect == pytest.approx(scale * (found.effect + 2.0))
        assert other.std_error == pytest.approx(scale * found.std_error, rel=1e-6)


def test_the_band_holds_all_times_and_is_the_same_every_time() -> None:
    averages = callaway_santanna(simulated(np.random.default_rng(2), (6, 6, 8), (3, 5, -1), 8).panel).average(
        Aggregation.DYNAMIC
    )
    band = averages.band(confidence_level=0.95, seed=3)
    assert band == averages.band(confidence_level=0.95, seed=3)
    widest = max(-one.interval(0.95)[0] + one.effect for one in map(averages.inference, averages.parts))  # type: ignore[operator]  # a t interval has ends
    assert max(part.effect - low for part, low in zip(averages.parts, band.low, strict=True)) > widest


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "word"), [((0.2, 0.6, 1.0, 1.4, 1.8), "growing"), ((1.6, 0.8, 0.4, 0.2, 0.1), "fading")]
)
def test_effects_that_grow_or_fade_are_estimated_without_bias_and_covered(path: tuple[float, ...], word: str) -> None:
    """5 stores of each of three starts and 5 never treated, reactions of sd .5, both error rules; bias within 3
    Monte-Carlo errors, coverage 93–98 %."""
    rng = np.random.default_rng(21)
    gaps, covered, reps = [], 0, 600
    for _ in range(reps):
        made = simulated(rng, (5, 5, 5, 5), (2, 4, 6, -1), 9, path=path, reaction=0.5)
        found = callaway_santanna(made.panel).inference
        low, high = found.interval(0.95)
        gaps.append(found.effect - made.truth)
        covered += low <= made.truth <= high
    assert abs(np.mean(gaps)) < 3 * np.std(gaps) / np.sqrt(reps), (word, np.mean(gaps))
    assert 0.93 <= covered / reps <= 0.98, (word, covered / reps)


@pytest.mark.slow
def test_the_band_covers_all_times_together() -> None:
    """20 stores of each of two starts and 20 never treated: the 95 % band holds all seven effects in 91–98 %."""
    rng = np.random.default_rng(22)
    path, held, reps = (0.5, 1.0, 1.5, 2.0, 2.5), 0, 300
    for seed in range(reps):
        made = simulated(rng, (20, 20, 20), (3, 5, -1), 8, path=path)
        averages = callaway_santanna(made.panel).average(Aggregation.DYNAMIC)
        band = averages.band(confidence_level=0.95, seed=seed)
        truth = [path[part.position] if part.position >= 0 else 0.0 for part in averages.parts]
        held += all(low <= t <= high for low, t, high in zip(band.low, truth, band.high, strict=True))
    assert 0.91 <= held / reps <= 0.98, held / reps
