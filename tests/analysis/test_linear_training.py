"""Linear models trained on clouds with known principal axes."""

from collections.abc import Sequence

import numpy as np
import pytest

from perturb.analysis.linear_training import trained_decoders, training_of
from perturb.analysis.linear_vae import angles, optimum, principal, subspace_angle
from perturb.config import ObjectiveConfig
from perturb.config.objectives import AutoencoderConfig, VAEConfig
from perturb.datasets.synthetic import gaussian
from perturb.errors import UserError

CLOUD = gaussian((4.0, 1.0, 0.04), seed=1, n=5_000)
FOUND = principal(CLOUD.values)
TRAINING = training_of(0.25, steps=600, batch_size=128)


def _trained(method: ObjectiveConfig, seeds: Sequence[int]) -> np.ndarray:
    return trained_decoders(CLOUD, method, TRAINING, latents=2, seeds=seeds)


def test_vaes_find_the_principal_axes_and_autoencoders_only_their_plane() -> None:
    vaes, autoencoders = _trained(VAEConfig(), range(4)), _trained(AutoencoderConfig(), range(4))
    leading = FOUND.directions[:, :2]
    assert max(subspace_angle(decoder, leading) for decoder in (*vaes, *autoencoders)) < 4
    off = [np.mean([angles(decoder, leading) for decoder in decoders]) for decoders in (vaes, autoencoders)]
    assert off[0] < 8
    assert off[1] > 2 * off[0]
    lengths = np.linalg.norm(optimum(FOUND, 2, variance=0.25).decoder, axis=0)
    assert np.sort(np.linalg.norm(vaes, axis=1), axis=1)[:, ::-1] == pytest.approx(np.tile(lengths, (4, 1)), rel=0.15)


def test_a_diverging_training_is_reported() -> None:
    with pytest.raises(UserError, match=r"vae, linear: the .* was .* at step \d+ .*; lower learning_rate, which is 1e\+30"):
        trained_decoders(
            CLOUD, VAEConfig(), TRAINING.model_copy(update={"learning_rate": 1e30}), latents=2, seeds=[0]
        )  # fmt: skip
