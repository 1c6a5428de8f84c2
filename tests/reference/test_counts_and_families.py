"""Sample ratio and adjusted p-values against R 4.2.2 (chisq.test, p.adjust)."""

from experiments.monitor.multiplicity import benjamini_hochberg, holm
from experiments.monitor.sample_ratio import sample_ratio
from tests.experiments.building import SHARES
from tests.reference.oracles import expect, names


def test_the_sample_ratio_equals_r() -> None:
    """chisq.test(c(5000, 5200), p = c(.5, .5))"""
    for name in names("O25"):
        control, treated = (int(count) for count in name.split("_")[1:])
        expect("O25", name).of(sample_ratio({"control": control, "points": treated}, SHARES).p_value)


def test_holm_equals_r() -> None:
    """p.adjust(c(.01, .02, .03, .04), "holm")"""
    for position, value in enumerate(holm([0.01, 0.02, 0.03, 0.04]), start=1):
        expect("O26", f"holm_{position}").of(value)


def test_benjamini_hochberg_equals_r() -> None:
    """The 25 p-values of Benjamini and Hochberg (1995): p.adjust(p, "BH")[1:5]"""
    p = [
        0.001,
        0.008,
        0.039,
        0.041,
        0.042,
        0.06,
        0.074,
        0.205,
        0.212,
        0.216,
        0.222,
        0.251,
        0.269,
        0.275,
        0.34,
        0.341,
        0.384,
    ]
    p += [0.569, 0.594, 0.696, 0.762, 0.94, 0.942, 0.975, 0.986]
    for position, value in enumerate(benjamini_hochberg(p)[:5], start=1):
        expect("O26", f"bh_{position}").of(value)
