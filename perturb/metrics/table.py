"""The table of metrics."""

from perturb.config.metrics import (
    ActiveUnitsConfig,
    BetaVAEScoreConfig,
    BinnedConfig,
    DCIConfig,
    DisentanglementScoreConfig,
    FactorVAEScoreConfig,
    InfoMECConfig,
    IRSConfig,
    MCCConfig,
    SAPConfig,
    TrainTestConfig,
)
from perturb.metrics.active_units import compute_active_units
from perturb.metrics.beta_vae import compute_beta_vae, rows_of_beta_vae
from perturb.metrics.dci import compute_dci
from perturb.metrics.disentanglement_score import compute_disentanglement_score
from perturb.metrics.explicitness import compute_explicitness
from perturb.metrics.factor_vae import compute_factor_vae, rows_of_factor_vae
from perturb.metrics.infomec import compute_infomec
from perturb.metrics.irs import compute_irs
from perturb.metrics.mcc import compute_mcc
from perturb.metrics.metric import Metric
from perturb.metrics.mig import compute_mig, compute_mig_sup
from perturb.metrics.modularity import compute_modularity
from perturb.metrics.sap import compute_sap
from perturb.metrics.unsupervised import compute_unsupervised

UNIT = (0.0, 1.0)

METRICS: dict[str, Metric] = {
    "mig": Metric(
        title="MIG", compute=compute_mig, score="mig", range=UNIT, higher_is_better=True, cost="milliseconds",
        source="Chen et al. 2018", in_library=True, fast=BinnedConfig(num_train=5_000),
    ),
    "dci": Metric(
        title="DCI", compute=compute_dci, score="dci_disentanglement", range=UNIT, higher_is_better=True, cost="minutes",
        source="Eastwood and Williams 2018", in_library=True,
        fast=DCIConfig(num_train=2_500, num_test=1_250, trees=10),
    ),
    "factor_vae": Metric(
        title="FactorVAE score", compute=compute_factor_vae, score="factor_vae", range=UNIT, higher_is_better=True,
        rows=rows_of_factor_vae, cost="milliseconds", source="Kim and Mnih 2018", in_library=True,
        fast=FactorVAEScoreConfig(num_train=1_000, num_test=1_000),
    ),
    "sap": Metric(
        title="SAP", compute=compute_sap, score="sap", range=UNIT, higher_is_better=True, cost="seconds",
        source="Kumar et al. 2018", in_library=True, fast=SAPConfig(num_train=2_000, num_test=2_000),
    ),
    "beta_vae": Metric(
        title="BetaVAE score", compute=compute_beta_vae, score="beta_vae", range=UNIT, higher_is_better=True,
        rows=rows_of_beta_vae, cost="seconds", source="Higgins et al. 2017", in_library=True,
        fast=BetaVAEScoreConfig(num_train=1_000, num_test=1_000),
    ),
    "modularity": Metric(
        title="Modularity", compute=compute_modularity, score="modularity", range=UNIT, higher_is_better=True,
        cost="milliseconds", source="Ridgeway and Mozer 2018", in_library=True,
        fast=BinnedConfig(num_train=5_000),
    ),
    "explicitness": Metric(
        title="Explicitness", compute=compute_explicitness, score="explicitness_test", range=UNIT, higher_is_better=True,
        cost="seconds", source="Ridgeway and Mozer 2018", in_library=True,
        fast=TrainTestConfig(num_train=2_000, num_test=2_000),
    ),
    "irs": Metric(
        title="IRS", compute=compute_irs, score="irs", range=UNIT, higher_is_better=True, cost="milliseconds",
        source="Suter et al. 2019", in_library=True, fast=IRSConfig(num_train=5_000),
    ),
    "unsupervised": Metric(
        title="Gaussian total correlation", compute=compute_unsupervised, score="gaussian_total_correlation",
        range=(0.0, None), higher_is_better=False, cost="milliseconds",
        source="Locatello et al. 2019", in_library=True,
        fast=BinnedConfig(num_train=5_000),
    ),
    "mig_sup": Metric(
        title="MIG-sup", compute=compute_mig_sup, score="mig_sup", range=UNIT, higher_is_better=True, cost="milliseconds",
        source="Li et al. 2020", fast=BinnedConfig(num_train=5_000),
    ),
    "disentanglement_score": Metric(
        title="DS", compute=compute_disentanglement_score, score="ds", range=(0.0, None), higher_is_better=True,
        cost="milliseconds", source="Zietlow's thesis, section 3.3",
        fast=DisentanglementScoreConfig(num_train=2_000, num_test=1_000),
    ),
    "mcc": Metric(
        title="MCC", compute=compute_mcc, score="mcc", range=UNIT, higher_is_better=True, cost="milliseconds",
        source="Hyvärinen and Morioka 2016", fast=MCCConfig(num_train=5_000),
    ),
    "active_units": Metric(
        title="Active units", compute=compute_active_units, score="active_units", range=(0.0, None), higher_is_better=True,
        cost="milliseconds", source="Burda et al. 2016", fast=ActiveUnitsConfig(),
    ),
    "infomec": Metric(
        title="InfoM", compute=compute_infomec, score="infom", range=(0.0, 1.0), higher_is_better=True, cost="seconds",
        source="Hsu et al. 2023", fast=InfoMECConfig(num_train=1_000),
    ),
}  # fmt: skip
"""Metrics by their key in configs and on the command line."""
TABLE_METRICS = "mig", "dci", "factor_vae", "sap"
"""The metrics of the thesis's Tables 4.2 to 4.5."""
