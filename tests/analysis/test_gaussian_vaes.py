"""Bounds, columns and differences of linear VAEs with given weights."""

import numpy as np
import pytest
import torch

from perturb.analysis.gaussian_vaes import bounds, column_cosine, differences, posteriors
from perturb.analysis.linear_training import training_of
from perturb.analysis.linear_vae import LinearVAE, loss
from perturb.config.objectives import FullCovarianceVAEConfig, VAEConfig
from perturb.models.layers import Linear
from perturb.objectives import OBJECTIVES, Objective

RNG = np.random.default_rng(0)
VECTORS = RNG.normal(size=(60, 3)).astype(np.float32)
DECODERS, ENCODERS = RNG.normal(size=(2, 3, 2)), RNG.normal(size=(2, 2, 3))
VARIANCES = np.array([0.2, 0.9])
NOISE = 0.3


def _made(config: VAEConfig | FullCovarianceVAEConfig, decoders: np.ndarray = DECODERS) -> Objective:
    """Two restarts of a linear VAE without offsets and with these posterior variances."""
    model = OBJECTIVES[config.kind](
        config, training_of(NOISE, steps=1), channels=3, latents=2, seeds=[0, 1], device="cpu"
    )  # fmt: skip
    head = model.networks["encoder"][-1]
    head = getattr(head, "diagonal", head)
    layer = next(layer for layer in model.networks["decoder"].modules() if isinstance(layer, Linear))
    with torch.no_grad():
        for weights in model.networks.parameters():
            weights.mul_(1.0 if weights is model.likelihood.logvar else 0.0)
        layer.weight.copy_(torch.from_numpy(decoders).mT)
        head.mean.weight.copy_(torch.from_numpy(ENCODERS).mT)
        head.logvar.bias.copy_(torch.from_numpy(np.log(VARIANCES)).expand(2, 2))
    model.networks.eval().requires_grad_(False)
    return model


@pytest.mark.parametrize("config", [VAEConfig(), FullCovarianceVAEConfig(beta=1.0)], ids=lambda one: one.kind)
def test_bounds_of_linear_vaes_equal_the_closed_forms(config: VAEConfig | FullCovarianceVAEConfig) -> None:
    found = bounds(_made(config), VECTORS, draws=200, generator=torch.Generator().manual_seed(0))
    moments = VECTORS.astype(np.float64).T @ VECTORS / len(VECTORS)
    for restart, (decoder, encoder) in enumerate(zip(DECODERS, ENCODERS, strict=True)):
        asked = np.eye(2) + decoder.T @ decoder / NOISE
        model = LinearVAE(decoder, encoder, VARIANCES, np.zeros(3))
        best = LinearVAE(decoder, encoder, 1 / np.diag(asked), np.zeros(3))
        assert found.encoder[restart] == pytest.approx(-loss(model, moments, variance=NOISE), rel=1e-5)
        assert found.diagonal[restart] == pytest.approx(-loss(best, moments, variance=NOISE), rel=1e-5)
        price = 0.5 * (np.log(np.diag(asked)).sum() - np.linalg.slogdet(asked)[1])
        assert found.full[restart] - found.diagonal[restart] == pytest.approx(price)
        assert abs(found.sampled[restart] - found.encoder[restart]) < 4 * found.error[restart]
    assert (found.error > 0).all()


def test_the_column_cosine_is_that_of_the_decoder_matrix() -> None:
    orthogonal = np.array([[1.0, 0.0], [0.0, -3.0], [0.0, 0.0]])
    half = np.array([[1.0, 1.0], [0.0, np.sqrt(3)], [0.0, 0.0]])
    assert column_cosine(_made(VAEConfig(), np.stack([orthogonal, half])), VECTORS) == pytest.approx([0.0, 0.5], abs=1e-6)


def test_differences_are_in_units_of_the_first_models_deviation() -> None:
    one, other = _made(VAEConfig()), _made(VAEConfig(), 1.25 * DECODERS)
    assert differences(one, one, VECTORS) == pytest.approx(np.zeros((2, 2)))
    codes, drawn = differences(one, other, VECTORS)
    assert codes == pytest.approx(0.0)
    with torch.no_grad():
        means = (posteriors(one, VECTORS).mean.double() @ torch.from_numpy(DECODERS).mT).numpy()
    spread = np.sqrt(np.square(means - means.mean(axis=1, keepdims=True)).mean(axis=(1, 2)))
    assert drawn == pytest.approx(0.25 * np.sqrt(np.square(means).mean(axis=(1, 2))) / spread, rel=1e-5)
