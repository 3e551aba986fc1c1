# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
"""InfoM, InfoE, InfoC (Hsu et al. 2023, arXiv 2305.18378), as computed by the authors' latent_quantization.

NMI is mutual information divided by the factor's entropy. Modularity is the share of a latent's NMI that is with its best
factor, and compactness the share of a factor's NMI that is with its best latent. Both are rescaled so that a uniform spread
gives 0. Explicitness is the share of a factor's uncertainty that logistic regression on all latents removes. Modularity and
compactness ignore latents whose range is at most a twentieth of the largest range.
"""

import warnings
from typing import Any, cast

import numpy as np

from perturb.config.metrics import InfoMECConfig
from perturb.errors import UserError
from perturb.metrics.coded import Coded, standardised
from perturb.metrics.information import entropies, mutual_information
from perturb.metrics.metric import Scores

SMALL_RANGE = 1 / 20
FEWEST = 20


def compute_infomec(coded: Coded, settings: InfoMECConfig, rng: np.random.Generator) -> Scores:
    """Return `infom`, `infoc` and `infoe`, at most 1, higher is better.

    The first two are 0 if no latent is active or no active latent carries information. InfoC is 1 if only one latent is
    active. The authors' code divides by 0 in these cases.

    Raises:
        UserError: If there are fewer than two factors or fewer than 20 rows, or no two rows share a class of some factor.

    """
    coded.require("InfoM", factors=2)
    ((codes, factors),) = coded.sample(settings, rng)
    if len(codes) < FEWEST:
        raise UserError(f"InfoMEC needs at least {FEWEST} rows, got {len(codes)}.")
    alone = [k for k, factor in enumerate(factors.T) if np.bincount(factor).max() == 1]
    if alone and not settings.discrete:
        raise UserError(
            f"InfoM estimates information from neighbours of the same class, and the classes of the factors {alone} have "
            "one row each; give more rows."
        )
    ranges = np.ptp(codes, axis=0)
    threshold = 0.0 if settings.discrete else ranges.max() * SMALL_RANGE
    active = codes[:, ranges > threshold]
    explicitness = predictive_information(codes, factors, discrete=settings.discrete)
    if active.shape[1] == 0:
        return {"infom": 0.0, "infoc": 0.0, "infoe": explicitness}
    information = normalised_information(active, factors, settings, seed=int(rng.spawn(1)[0].integers(2**31)))
    return {
        "infom": concentration(information.T),
        "infoc": 1.0 if active.shape[1] == 1 else concentration(information),
        "infoe": explicitness,
    }


def concentration(rows: np.ndarray) -> float:
    """Return the share of the largest entry in a row's sum, averaged over non-zero rows and rescaled.

    Uniform rows give 0, rows with a single non-zero entry 1.
    """
    rows = rows[rows.sum(axis=1) > 0]
    if len(rows) == 0:
        return 0.0
    even = 1 / rows.shape[1]
    return float(((rows.max(axis=1) / rows.sum(axis=1)).mean() - even) / (1 - even))


def normalised_information(codes: np.ndarray, factors: np.ndarray, settings: InfoMECConfig, seed: int) -> np.ndarray:
    """Return mutual information / the factor's entropy, ≥ 0, (factors, latents); by nearest neighbours unless discrete."""
    from sklearn import feature_selection

    if settings.discrete:
        return mutual_information(factors, codes) / entropies(factors)[:, None]
    scaled = standardised(codes)
    rows = [
        feature_selection.mutual_info_classif(
            scaled, factor, n_neighbors=settings.neighbours, random_state=seed,
            discrete_features=False,  # pyright: ignore[reportArgumentType]  # inferred from the default, "auto"
        )
        for factor in factors.T
    ]  # fmt: skip
    return np.array(rows) / entropies(factors)[:, None]


def predictive_information(codes: np.ndarray, factors: np.ndarray, *, discrete: bool) -> float:
    """Return InfoE, averaged over factors: 1 − log loss of balanced multinomial regression / its log loss without codes."""
    from sklearn.preprocessing import OneHotEncoder

    features = cast(Any, OneHotEncoder().fit_transform(codes)) if discrete else standardised(codes)
    nothing = np.zeros((len(codes), 1))
    shares = [1 - _log_loss(features, factor) / _log_loss(nothing, factor) for factor in factors.T]
    return float(np.mean(shares))


def _log_loss(features: np.ndarray, factor: np.ndarray) -> float:
    """Return the log loss of the fit on its own training data, in nats."""
    from sklearn import metrics
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    # As in the authors' code: 100 iterations without a penalty, converged or not.
    model = LogisticRegression(C=np.inf, class_weight="balanced", max_iter=100)
    with warnings.catch_warnings(action="ignore", category=ConvergenceWarning):
        model.fit(features, factor)
    return float(metrics.log_loss(factor, model.predict_proba(features)))
