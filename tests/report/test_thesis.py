import re

import pytest

from perturb.config.objectives import OBJECTIVE_KINDS
from perturb.metrics import METRICS, TABLE_METRICS
from perturb.report.thesis import DATASETS, TABLES, VARIANTS, thesis_number, thesis_numbers

PRINTED = """
AE 0.09± 0.06 0.05± 0.02 0.06± 0.03 0.06± 0.03 0.05± 0.03 0.07± 0.03
β-VAE 0.23± 0.08 0.07± 0.09 0.14± 0.07 0.60± 0.31 0.09± 0.14 0.66± 0.05
FactorVAE 0.27± 0.11 0.20± 0.12 0.16± 0.08 0.27± 0.18 0.07± 0.05 0.33± 0.20
TC-VAE 0.25± 0.08 0.14± 0.10 0.20± 0.04 0.58± 0.20 0.24± 0.16 0.60± 0.11
SlowVAE 0.39± 0.08 0.27± 0.08 0.37± 0.09 0.53± 0.19 0.13± 0.08 0.60± 0.10
PCL 0.21± 0.03 0.24± 0.07 0.24± 0.07 0.44± 0.06 0.47± 0.08 0.40± 0.07
GAN 0.45± 0.05 0.36± 0.02 0.36± 0.01 0.69± 0.12 0.66± 0.12 0.77± 0.13

β-VAE 0.11± 0.03 0.08± 0.11 0.14± 0.07 0.73± 0.14 0.43± 0.06 0.56± 0.06
FactorVAE 0.37± 0.10 0.27± 0.11 0.24± 0.09 0.39± 0.18 0.25± 0.08 0.57± 0.20
TC-VAE 0.34± 0.06 0.19± 0.10 0.27± 0.03 0.67± 0.08 0.41± 0.05 0.59± 0.09
SlowVAE 0.47± 0.07 0.40± 0.07 0.47± 0.08 0.65± 0.10 0.33± 0.08 0.73± 0.09
PCL 0.28± 0.03 0.30± 0.03 0.29± 0.06 0.70± 0.06 0.67± 0.09 0.71± 0.07

β-VAE 0.47± 0.07 0.38± 0.13 0.50± 0.10 0.80± 0.17 0.54± 0.10 0.71± 0.06
FactorVAE 0.67± 0.11 0.62± 0.14 0.60± 0.11 0.63± 0.15 0.48± 0.05 0.71± 0.15
TC-VAE 0.68± 0.09 0.53± 0.15 0.60± 0.12 0.76± 0.07 0.57± 0.07 0.71± 0.06
SlowVAE 0.77± 0.03 0.77± 0.04 0.76± 0.07 0.87± 0.10 0.62± 0.06 0.85± 0.08
PCL 0.77± 0.09 0.82± 0.05 0.77± 0.08 0.80± 0.06 0.77± 0.07 0.80± 0.06

β-VAE 0.04± 0.01 0.02± 0.02 0.03± 0.03 0.16± 0.08 0.03± 0.03 0.09± 0.02
FactorVAE 0.07± 0.03 0.06± 0.03 0.08± 0.01 0.07± 0.04 0.04± 0.01 0.08± 0.03
TC-VAE 0.08± 0.01 0.06± 0.03 0.05± 0.02 0.08± 0.02 0.04± 0.02 0.06± 0.03
SlowVAE 0.08± 0.01 0.07± 0.01 0.07± 0.01 0.09± 0.04 0.04± 0.01 0.09± 0.05
PCL 0.07± 0.03 0.10± 0.03 0.10± 0.03 0.07± 0.01 0.07± 0.01 0.07± 0.01
"""
"""Tables 4.2 to 4.5 as printed in the thesis."""
KINDS = {
    "AE": "autoencoder", "β-VAE": "beta_vae", "FactorVAE": "factor_vae", "TC-VAE": "beta_tc_vae", "SlowVAE": "slow_vae",
    "PCL": "pcl", "GAN": "weakly_supervised_gan",
}  # fmt: skip


@pytest.mark.parametrize(("metric", "block"), [*zip(TABLES, PRINTED.strip().split("\n\n"), strict=True)], ids=TABLES)
def test_every_thesis_number_matches_the_printed_tables(metric: str, block: str) -> None:
    for line in block.splitlines():
        name, numbers = line.split(" ", 1)
        found = [thesis_number(data, metric, KINDS[name], variant) for data in DATASETS for variant in VARIANTS]
        expected = list(map(float, re.findall(r"\d\.\d\d", numbers)))
        assert [number for pair in found for number in pair] == expected


def test_the_thesis_tables_use_the_keys_of_our_methods_and_metrics() -> None:
    assert set(KINDS.values()) <= set(OBJECTIVE_KINDS)
    assert tuple(TABLES) == TABLE_METRICS
    assert set(TABLES) <= set(METRICS)


@pytest.mark.parametrize(
    "asked",
    [
        ("mini", "mig", "beta_vae", "original"),
        ("dsprites", "mig", "beta_vae", "untrained"),
        ("dsprites", "mig", "vae", "original"),
        ("dsprites", "dci", "autoencoder", "original"),
        ("shapes3d", "modularity", "beta_vae", "original"),
    ],
    ids=lambda asked: "-".join(asked),
)
def test_scores_that_the_thesis_does_not_print_have_no_number(asked: tuple[str, str, str, str]) -> None:
    assert thesis_number(*asked) is None


def test_thesis_numbers_are_shown_for_the_same_dataset_and_method_only() -> None:
    kinds = {"ours": "beta_vae", "AE": "autoencoder"}
    assert thesis_numbers("mini", kinds) is None
    found = thesis_numbers("dsprites", kinds)
    assert found.get("mig", "ours", "original") == (0.23, 0.08)
    assert found.get("sap", "AE", "original") is None


def test_methods_missing_from_the_thesis_have_no_thesis_numbers() -> None:
    assert thesis_numbers("dsprites", {"DIP-VAE": "dip_vae"}) is None
