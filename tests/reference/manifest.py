"""The manifest of oracles: every expected value, where it was printed, and the tolerance.

A value is read from the output of an R script that lies beside (``r/``), or cited from a publication or a named
program. Nothing in here was computed by this project.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

R = Path(__file__).parent / "r"
NUMBER = r"(-?\d*\.?\d+(?:e[-+]?\d+)?)"


@dataclass(frozen=True, slots=True)
class FromR:
    """A number in the output of an R script: the first that ``pattern`` finds after the text ``after``.

    ``#`` in the pattern stands for the number that is meant, ``~`` for a number that is passed over.
    """

    file: str
    after: str
    pattern: str

    def read(self) -> float:
        """The number; fails when the output does not hold it."""
        text = (R / self.file).read_text("utf-8")
        start = text.index(self.after) if self.after else 0
        expression = self.pattern.replace("#", NUMBER).replace("~", NUMBER.replace("(", "(?:", 1))
        found = re.compile(expression, re.M).search(text, start)
        assert found, f"{self.file} does not print {self.pattern!r} after {self.after!r}"
        return float(found.group(1))


@dataclass(frozen=True, slots=True)
class Cited:
    """A number from a publication or from the printed result of a named program and version."""

    value: float
    source: str

    def read(self) -> float:
        """The number."""
        return self.value


@dataclass(frozen=True, slots=True)
class Within:
    """A range, where the sources themselves differ by the luck of their draws."""

    low: float
    high: float
    source: str


@dataclass(frozen=True, slots=True)
class Oracle:
    """What is compared, how closely, and the values by name.

    ``by_name`` holds values to a tolerance of their own: a smaller one, or half the last digit that was printed.
    """

    what: str
    tolerance: float
    values: Mapping[str, FromR | Cited | Within]
    by_name: Mapping[str, float] = field(default_factory=dict)

    def tolerance_of(self, name: str) -> float:
        """The tolerance of one value."""
        return self.by_name.get(name, self.tolerance)


def _sandwich(kind: str, model: int, which: str) -> FromR:
    """A line "t  beta  SE  tstat df" or "t  p_t  df_Satt  p_Satt" of r_clubsandwich.out."""
    start = f'[1] "{kind}"\n' if model == 1 else f'[1] "{kind}"\n                   Coef            beta'
    first = r"^t +t +#" if which == "beta" else r"^t +t +~ +#"
    second = {"df": r"^t +~ +# +~$", "p": r"^t +~ +~ +#$"}
    pattern = second.get(which, first)
    return FromR("r_clubsandwich.out", start, pattern)


_CR2 = {name: _sandwich("CR2", 1, name) for name in ("beta", "se", "df", "p")}
_CR2_X = {name: _sandwich("CR2", 2, name) for name in ("beta", "se", "df", "p")}
_DID = "r_did.out"
_CELLS = [(g, t) for g in (2004, 2006, 2007) for t in range(2004, 2008)]


def _cells(control: str) -> dict[str, FromR]:
    cells: dict[str, FromR] = {}
    for number, (group, year) in enumerate(_CELLS, start=1):
        line = rf"^ *\[{number},\] {group} {year} +"
        cells[f"att_{group}_{year}"] = FromR(_DID, control, line + "#")
        cells[f"se_{group}_{year}"] = FromR(_DID, control, line + "~ +#")
    return cells


def _aggregates(control: str) -> dict[str, FromR]:
    values: dict[str, FromR] = {}
    for kind in ("simple", "dynamic", "group", "calendar"):
        values[kind] = FromR(_DID, "", rf"^{control} {kind} #")
        if kind != "group":  # did 2.1.2 weighs the group error by its own numbering: see callaway_santanna.md
            values[f"{kind}_se"] = FromR(_DID, "", rf"^{control} {kind} ~ #")
    return values


_MISC = "r_misc.out"
_ENUMERATED = "all 256 sign vectors, compared with pyfixest 0.60.0 (its strict count differs by the two ties)"
_CONFSEQ = "confseq 0.0.11, C++ unit tests of the uniform boundaries"
_WALKTHROUGH = "GeoLift, walkthrough of GeoLift_Test (chicago, portland)"
_SYNTHDID = "r_synthdid.out"
_FADER = "Fader, Hardie and Lee (2005), Marketing Science 24"
_TEA = "tea-tasting 1.14.0, make_users_data(seed=42, covariates=True)"

ORACLES: Mapping[str, Oracle] = {
    "O1": Oracle("CR2 and Bell–McCaffrey, toy stores, y ~ t", 1e-8, _CR2),
    "O2": Oracle("the same, y ~ t + x", 1e-8, _CR2_X),
    "O3": Oracle(
        "CR0, CR1S and CR3, y ~ t",
        1e-8,
        {
            "cr0_se": _sandwich("CR0", 1, "se"),
            "cr0_df": _sandwich("CR0", 1, "df"),
            "cr1s_se": _sandwich("CR1S", 1, "se"),
            "cr3_se": _sandwich("CR3", 1, "se"),
            "cr3_df": _sandwich("CR3", 1, "df"),
        },
    ),
    "O4": Oracle(
        "panel CR2 with store and week dummies",
        1e-8,
        {
            "beta": FromR("r_panel.out", "", r"^CR2 #"),
            "se": FromR("r_panel.out", "", r"^CR2 ~ #"),
            "df": FromR("r_panel.out", "", r"^CR2 ~ ~ #"),
            "p": FromR("r_panel.out", "", r"^CR2 ~ ~ ~ #"),
        },
    ),
    "O5": Oracle(
        "complier effect, two-stage least squares clustered",
        1e-8,
        {
            "beta": FromR("r_panel.out", "", r"^ivreg ~ #"),
            "cr2_se": FromR("r_panel.out", "ivreg", r"^CR2 ~ ~ ~ #"),
            "cr2_df": FromR("r_panel.out", "ivreg", r"^CR2 ~ ~ ~ ~ ~ #"),
            "cr1s_se": FromR("r_panel.out", "ivreg", r"^CR1S se ~ #"),
        },
    ),
    "O6": Oracle(
        "enumerated wild cluster bootstrap, 256 draws, p at hypothesised effects",
        1e-12,
        {
            f"p_at_{at}": Cited(p, _ENUMERATED)
            for at, p in (
                ("0", 0.015625), ("0.4", 0.0234375), ("0.55", 0.078125), ("0.6", 0.1484375), ("1", 0.2578125),
                ("1.1", 0.1328125),
            )
        },
    ),
    "O7": Oracle(
        "random intercept by REML",
        1e-3,
        {
            "beta": FromR("r_clubsandwich.out", "", r'^t +"#"'),
            "se": FromR("r_clubsandwich.out", "", r'^t +"~" "#"'),
            "satterthwaite_df": FromR("r_clubsandwich.out", "", r'^t +"~" "~" "#"'),
            "kenward_roger_se": FromR("r_clubsandwich.out", "0.009012529298", r"^t +~ +#"),
            "kenward_roger_df": FromR("r_clubsandwich.out", "0.009012529298", r"^t +~ +~ +#"),
            "kenward_roger_p": FromR("r_clubsandwich.out", "0.009012529298", r"^t +~ +~ +~ +~ +#$"),
        },
    ),
    "O8": Oracle(
        "logit and linear probability with CR2",
        1e-6,
        {
            "logit": FromR("r_panel.out", "", r"^logit CR2 ~ +#"),
            "logit_se": FromR("r_panel.out", "", r"^logit CR2 ~ +~ +~ +#"),
            "logit_df": FromR("r_panel.out", "", r"^logit CR2 ~ +~ +~ +~ +~ +#"),
            "lpm": FromR("r_panel.out", "", r"^LPM CR2 ~ +#"),
            "lpm_se": FromR("r_panel.out", "", r"^LPM CR2 ~ +~ +~ +#"),
            "lpm_df": FromR("r_panel.out", "", r"^LPM CR2 ~ +~ +~ +~ +~ +#"),
        },
    ),
    "O9": Oracle(
        "California's proposition 99: synthetic difference in differences, synthetic control, plain difference",
        1e-4,
        {
            "sdid": FromR(_SYNTHDID, "", r"^synthdid_estimate #"),
            "sc": FromR(_SYNTHDID, "", r"^sc_estimate #"),
            "did": FromR(_SYNTHDID, "", r"^did_estimate #"),
        },
        {"did": 1e-9},
    ),
    "O10": Oracle(
        "synthetic difference in differences: weights",
        1e-4,
        {
            "lambda_1986": FromR(_SYNTHDID, "lambda", r"lambda: #"),
            "lambda_1987": FromR(_SYNTHDID, "lambda", r"lambda: ~ #"),
            "lambda_1988": FromR(_SYNTHDID, "lambda", r"lambda: ~ ~ #"),
            "omega_nevada": FromR(_SYNTHDID, "omega", r"omega: #"),
            "omega_new_hampshire": FromR(_SYNTHDID, "omega", r"omega: ~ #"),
            "omega_connecticut": FromR(_SYNTHDID, "omega", r"omega: ~ ~ #"),
            "omega_delaware": FromR(_SYNTHDID, "omega", r"omega: ~ ~ ~ #"),
        },
    ),
    "O11": Oracle(
        "synthetic difference in differences: placebo error",
        0.0,
        {"placebo_se": Within(7.0, 12.0, "R synthdid 8.37, synthdid-py 0.1.0 9.75, diff-diff 3.13.0 10.91")},
    ),
    "O12": Oracle("group-time effects, never treated as controls", 1e-8, _cells("nevertreated 1")),
    "O13": Oracle("aggregates, never treated as controls", 1e-6, _aggregates("nevertreated")),
    "O14": Oracle("aggregates, not yet treated as controls", 1e-6, _aggregates("notyettreated")),
    "O15": Oracle(
        "simple aggregate, doubly robust with a covariate",
        1e-5,
        {
            "simple": FromR(_DID, "", r"^lpop dr simple #"),
            "simple_se": FromR(_DID, "", r"^lpop dr simple ~ #"),
        },
    ),
    "O16": Oracle(
        "imputation",
        1e-6,
        {
            "overall": Cited(-0.04770992, "diff-diff 3.13.0, imputation on mpdta"),
            "event_0": Cited(-0.031067, "Borusyak, Jaravel and Spiess on mpdta, printed to six digits"),
            "event_1": Cited(-0.052235, "Borusyak, Jaravel and Spiess on mpdta, printed to six digits"),
            "event_2": Cited(-0.136078, "Borusyak, Jaravel and Spiess on mpdta, printed to six digits"),
            "event_3": Cited(-0.104707, "Borusyak, Jaravel and Spiess on mpdta, printed to six digits"),
        },
    ),
    "O17": Oracle(
        "two-way fixed effects",
        1e-7,
        {"beta": Cited(-0.03654894, "pyfixest 0.60.0"), "se": Cited(0.01325453, "pyfixest 0.60.0, CRV1")},
    ),
    "O18": Oracle(
        "demeaned synthetic control of two cities",
        1e-2,
        {
            "att": Cited(155.556, _WALKTHROUGH),
            "lift_percent": Cited(5.42, _WALKTHROUGH),
            "incremental": Cited(4666.67, _WALKTHROUGH),
            "l2_imbalance": Cited(909.489, _WALKTHROUGH),
        },
    ),
    "O19": Oracle(
        "restricted mean survival time, tau 10",
        1e-6,
        {
            "arm_1": FromR(_MISC, "RMTL (arm=1)/(arm=0)", r"^#"),
            "arm_1_se": FromR(_MISC, "RMTL (arm=1)/(arm=0)", r"^~ +#"),
            "arm_0": FromR(_MISC, "7.70072152", r"^#"),
            "arm_0_se": FromR(_MISC, "7.70072152", r"^~ +#"),
            "difference": FromR(_MISC, "", r"^RMST \(arm=1\)-\(arm=0\) +#"),
            "lower": FromR(_MISC, "", r"^RMST \(arm=1\)-\(arm=0\) +~ +#"),
            "upper": FromR(_MISC, "", r"^RMST \(arm=1\)-\(arm=0\) +~ +~ +#"),
            "p": FromR(_MISC, "", r"^RMST \(arm=1\)-\(arm=0\) +~ +~ +~ +#"),
            "ratio": FromR(_MISC, "", r"^RMST \(arm=1\)/\(arm=0\) +#"),
            "ratio_lower": FromR(_MISC, "", r"^RMST \(arm=1\)/\(arm=0\) +~ +#"),
            "ratio_upper": FromR(_MISC, "", r"^RMST \(arm=1\)/\(arm=0\) +~ +~ +#"),
            "ratio_p": FromR(_MISC, "", r"^RMST \(arm=1\)/\(arm=0\) +~ +~ +~ +#"),
        },
    ),
    "O20": Oracle(
        "Cox with clusters, Breslow ties; log-rank",
        1e-7,
        {
            "beta": FromR(_MISC, "2.4712775", r"^rx #"),
            "robust_se": FromR(_MISC, "2.4712775", r"^rx ~ +~ +~ +#"),
            "log_rank": FromR(_MISC, "Observed Expected", r"^rx=1.* #$"),
        },
        {"log_rank": 0.005},  # printed to two decimals
    ),
    "O21": Oracle(
        "Dunnett, recovery data",
        1e-3,
        {
            "p_b1": FromR(_MISC, "[1] 0.4559", r"^\[1\] #"),
            "p_b2": FromR(_MISC, "[1] 0.4559", r"^\[1\] ~ #"),
            "p_b3": FromR(_MISC, "[1] 0.4559", r"^\[1\] ~ ~ #"),
            "lower_b1": FromR(_MISC, "lwr", r"^b1 - b0 == 0 +~ +#"),
            "upper_b1": FromR(_MISC, "lwr", r"^b1 - b0 == 0 +~ +~ +#"),
            "lower_b2": FromR(_MISC, "lwr", r"^b2 - b0 == 0 +~ +#"),
            "upper_b2": FromR(_MISC, "lwr", r"^b2 - b0 == 0 +~ +~ +#"),
            "lower_b3": FromR(_MISC, "lwr", r"^b3 - b0 == 0 +~ +#"),
            "upper_b3": FromR(_MISC, "lwr", r"^b3 - b0 == 0 +~ +~ +#"),
        },
    ),
    "O22": Oracle(
        "Lan–DeMets, O'Brien–Fleming type, one-sided .025",
        5e-4,
        {
            f"k{k}_look{look}": FromR(_MISC, "", rf"^OBF-LD K= {k} " + "~ " * (look - 1) + "#")
            for k in range(2, 6)
            for look in range(1, k + 1)
        }
        | {f"unequal_look{k}": FromR(_MISC, "", r"^OBF-LD t=\.3,\.55,1 " + "~ " * (k - 1) + "#") for k in (1, 2, 3)},
    ),
    "O23": Oracle(
        "Lan–DeMets, Pocock type, five looks",
        5e-4,
        {f"k5_look{look}": FromR(_MISC, "", r"^Pocock-LD K= 5 " + "~ " * (look - 1) + "#") for look in range(1, 6)},
    ),
    "O24": Oracle(
        "normal-mixture confidence sequence",
        1e-4,
        {
            "best_rho": Cited(12.60056, _CONFSEQ),
            "two_sided_bound": Cited(30.35209, _CONFSEQ),
            "log_mixture": Cited(-0.6510052, _CONFSEQ),
            "one_sided_bound": Cited(27.66071, _CONFSEQ),
        },
    ),
    "O25": Oracle(
        "sample ratio χ²",
        1e-9,
        {
            "p_5000_5200": FromR(_MISC, "chisq SRM", r"^\[1\] #"),
            "p_821588_815482": FromR(_MISC, "0.04767038", r"^\[1\] #$"),
        },
    ),
    "O26": Oracle(
        "Holm; Benjamini–Hochberg",
        1e-12,
        {f"bh_{i + 1}": FromR(_MISC, "0.75 ", r"^\[1\] " + "~ " * i + "#") for i in range(5)}
        | {f"holm_{i + 1}": FromR(_MISC, "0.210 0.210", r"^\[1\] " + "~ " * i + "#") for i in range(4)},
    ),
    "O27": Oracle(
        "BG/NBD on the CDNOW customers",
        1e-3,
        {
            "r": Cited(0.243, _FADER),
            "alpha": Cited(4.414, _FADER),
            "a": Cited(0.793, _FADER),
            "b": Cited(2.426, _FADER),
            "log_likelihood": Cited(-9582.4, _FADER),
            "expected_purchases": Cited(1.226, _FADER),
            "p_alive": Cited(0.7266, _FADER),
        },
        {"log_likelihood": 0.05},  # printed to one decimal
    ),
    "O28": Oracle(
        "P(B > A) of two Beta posteriors",
        1e-3,
        {"probability": Cited(0.90787259, "closed form (Miller 2015); .90815 by two million draws")},
    ),
    "O29": Oracle("power of the two-sample t test", 1e-4, {"n": Cited(63.7656, "G*Power; statsmodels 63.76561")}),
    "O30": Oracle(
        "power with clusters",
        0.03,
        {
            "power": Cited(0.5055, "noncentral t; 1,000 replications gave .505–.513 for five tests"),
            "detectable": Cited(0.1421, "noncentral t"),
        },
    ),
    "O31": Oracle(
        "stepped wedge, Hussey–Hughes variance",
        1e-12,
        {"variance": Cited(6.816822429907e-4, "Hussey and Hughes (2007) by generalised least squares, I = 8, T = 5")},
    ),
    "O32": Oracle(
        "CUPED and delta method on customers",
        1e-4,
        {
            "revenue_p": Cited(0.00674, _TEA),
            "orders_per_session_p": Cited(0.0762, _TEA),
        },
    ),
    "O33": Oracle(
        "Newcombe interval, 56/70 v 48/80",
        1e-4,
        {
            "lower": Cited(0.0524, "Newcombe (1998), method 10"),
            "upper": Cited(0.3339, "Newcombe (1998), method 10"),
            "wald_lower": FromR(_MISC, "wilson", r"^\[1\] #"),
            "wald_upper": FromR(_MISC, "wilson", r"^\[1\] ~ #"),
        },
    ),
}  # fmt: skip

# Left out, with the reason.
LEFT_OUT: Mapping[str, str] = {
    "O34": "trimmed match is not offered: its design (pairs of regions with a spend) is no loyalty pilot",
}
