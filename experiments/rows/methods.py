"""The names that a row's ``method`` can have, each with its page in the documentation."""

from collections.abc import Mapping

METHODS: Mapping[str, str] = {
    # units that were drawn
    "permutation": "permutation",
    "permutation_studentised": "permutation",
    "permutation_unadjusted": "permutation",
    "regression_t": "unit_means",
    "cr2": "cluster_robust",
    "rows_cr2": "cluster_robust",
    "pooled_t": "welch",
    "wild_cluster_bootstrap": "wild_bootstrap",
    # many independent units
    "welch": "welch",
    "welch_adjusted": "welch",
    "welch_delta": "ratio",
    "welch_delta_adjusted": "ratio",
    "newcombe": "newcombe",
    # panels
    "difference_in_differences": "difference_in_differences",
    "difference_in_differences_hc2": "difference_in_differences",
    "callaway_santanna": "callaway_santanna",
    "callaway_santanna_never_treated": "callaway_santanna",
    "imputation": "imputation",
    "stepped_wedge_permutation": "stepped_wedge",
    # few hand-picked units, geo experiments
    "synthetic_did": "synthetic_did",
    "synthetic_control": "synthetic_control",
    "synthetic_control_demeaned": "synthetic_control",
    "time_based_regression": "time_based_regression",
    "geo_regression": "geo_regression",
    # time to an event, compliers
    "rmst": "rmst",
    "cox": "cox",
    "complier_effect": "complier_effect",
    "anderson_rubin": "anderson_rubin",
}
