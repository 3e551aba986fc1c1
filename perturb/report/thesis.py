"""The thesis's own numbers: Tables 4.2 to 4.5, mean and standard deviation over ten seeds."""

from collections.abc import Mapping
from dataclasses import dataclass

Number = tuple[float, float]
"""Mean and standard deviation over ten seeds, with two digits as printed."""

DATASETS = "dsprites", "shapes3d"
"""Columns of the tables."""
VARIANTS = "original", "modified", "noise"
"""Columns below each dataset in the thesis's tables."""
TABLES = {"mig": "4.2", "dci": "4.3", "factor_vae": "4.4", "sap": "4.5"}
"""Metric → number of its table. The thesis does not say which DCI score Table 4.3 shows; disentanglement is likely."""

FIGURES = {"mig": "4.4", "dci": "4.5", "factor_vae": "4.6", "sap": "4.7"}
"""Metric → number of the figure that shows its line search."""

_PRINTED = {
    "mig": {
        "autoencoder": "0.09 0.06  0.05 0.02  0.06 0.03    0.06 0.03  0.05 0.03  0.07 0.03",
        "beta_vae": "0.23 0.08  0.07 0.09  0.14 0.07    0.60 0.31  0.09 0.14  0.66 0.05",
        "factor_vae": "0.27 0.11  0.20 0.12  0.16 0.08    0.27 0.18  0.07 0.05  0.33 0.20",
        "beta_tc_vae": "0.25 0.08  0.14 0.10  0.20 0.04    0.58 0.20  0.24 0.16  0.60 0.11",
        "slow_vae": "0.39 0.08  0.27 0.08  0.37 0.09    0.53 0.19  0.13 0.08  0.60 0.10",
        "pcl": "0.21 0.03  0.24 0.07  0.24 0.07    0.44 0.06  0.47 0.08  0.40 0.07",
        "weakly_supervised_gan": "0.45 0.05  0.36 0.02  0.36 0.01    0.69 0.12  0.66 0.12  0.77 0.13",
    },
    "dci": {
        "beta_vae": "0.11 0.03  0.08 0.11  0.14 0.07    0.73 0.14  0.43 0.06  0.56 0.06",
        "factor_vae": "0.37 0.10  0.27 0.11  0.24 0.09    0.39 0.18  0.25 0.08  0.57 0.20",
        "beta_tc_vae": "0.34 0.06  0.19 0.10  0.27 0.03    0.67 0.08  0.41 0.05  0.59 0.09",
        "slow_vae": "0.47 0.07  0.40 0.07  0.47 0.08    0.65 0.10  0.33 0.08  0.73 0.09",
        "pcl": "0.28 0.03  0.30 0.03  0.29 0.06    0.70 0.06  0.67 0.09  0.71 0.07",
    },
    "factor_vae": {
        "beta_vae": "0.47 0.07  0.38 0.13  0.50 0.10    0.80 0.17  0.54 0.10  0.71 0.06",
        "factor_vae": "0.67 0.11  0.62 0.14  0.60 0.11    0.63 0.15  0.48 0.05  0.71 0.15",
        "beta_tc_vae": "0.68 0.09  0.53 0.15  0.60 0.12    0.76 0.07  0.57 0.07  0.71 0.06",
        "slow_vae": "0.77 0.03  0.77 0.04  0.76 0.07    0.87 0.10  0.62 0.06  0.85 0.08",
        "pcl": "0.77 0.09  0.82 0.05  0.77 0.08    0.80 0.06  0.77 0.07  0.80 0.06",
    },
    "sap": {
        "beta_vae": "0.04 0.01  0.02 0.02  0.03 0.03    0.16 0.08  0.03 0.03  0.09 0.02",
        "factor_vae": "0.07 0.03  0.06 0.03  0.08 0.01    0.07 0.04  0.04 0.01  0.08 0.03",
        "beta_tc_vae": "0.08 0.01  0.06 0.03  0.05 0.02    0.08 0.02  0.04 0.02  0.06 0.03",
        "slow_vae": "0.08 0.01  0.07 0.01  0.07 0.01    0.09 0.04  0.04 0.01  0.09 0.05",
        "pcl": "0.07 0.03  0.10 0.03  0.10 0.03    0.07 0.01  0.07 0.01  0.07 0.01",
    },
}
"""Metric → kind of objective → means and deviations, for three variants of dSprites and then three of Shapes3D."""


@dataclass(frozen=True)
class ThesisNumbers:
    """The thesis's numbers for the methods of one table of ours, on the same dataset."""

    numbers: Mapping[tuple[str, str, str], Number]
    """Numbers by (metric, method name in our table, variant)."""

    def get(self, metric: str, method: str, variant: str) -> Number | None:
        """Return mean and deviation, or None if the thesis has none."""
        return self.numbers.get((metric, method, variant))


def thesis_number(dataset: str, metric: str, method: str, variant: str) -> Number | None:
    """Return the mean and standard deviation printed in the thesis, or None if there are none.

    Args:
        dataset: "dsprites" or "shapes3d"; others have no numbers.
        metric: Key in METRICS.
        method: Kind of an objective (perturb/config/objectives.py). Autoencoder and GAN are only in the MIG table.
        variant: Variant of the data; `untrained` is ours and has no numbers.

    """
    line = _PRINTED.get(metric, {}).get(method)
    if line is None or dataset not in DATASETS or variant not in VARIANTS:
        return None
    numbers = [float(text) for text in line.split()]
    place = 2 * (DATASETS.index(dataset) * len(VARIANTS) + VARIANTS.index(variant))
    return numbers[place], numbers[place + 1]


def thesis_numbers(dataset: str, kinds: Mapping[str, str]) -> ThesisNumbers | None:
    """Return the thesis's numbers for a dataset, to show beside ours in a table; None if the thesis has none.

    Args:
        dataset: Dataset of our table.
        kinds: Method name in our table → kind of its objective.

    """
    numbers = {
        (metric, name, variant): number
        for metric in TABLES
        for name, kind in kinds.items()
        for variant in VARIANTS
        if (number := thesis_number(dataset, metric, kind, variant))
    }
    return ThesisNumbers(numbers) if numbers else None
