import numpy as np
import pytest
import torch
from mini_images import mini_pixels

from perturb.analysis.traversal import (
    CodeBook,
    best_pair,
    code_book,
    decoder_of,
    plane_of_factors,
    traverse_plane,
    traverse_rows,
)
from perturb.config import TrainingConfig
from perturb.config.objectives import BetaVAEConfig, PCLConfig, WeaklySupervisedGANConfig
from perturb.datasets import Mini
from perturb.errors import UserError
from perturb.objectives import OBJECTIVES, Objective
from perturb.random.seeds import numpy_generator

CONFIGS = {"beta_vae": BetaVAEConfig(), "pcl": PCLConfig(), "weakly_supervised_gan": WeaklySupervisedGANConfig()}


def _model(kind: str = "beta_vae") -> Objective:
    model = OBJECTIVES[kind](
        CONFIGS[kind], TrainingConfig(architecture="conv32"), channels=3, latents=4, seeds=[0], device="cpu"
    )
    model.networks.eval().requires_grad_(False)
    return model


def _book() -> CodeBook:
    """Latent 2 is the negative of factor 0, latent 0 is factor 1, latent 1 is noise; latent 2 has the least variance."""
    rng = np.random.default_rng(0)
    factors = rng.integers(8, size=(500, 2))
    means = np.stack([factors[:, 1], rng.normal(size=500), -factors[:, 0]], axis=1).astype(np.float32)
    return CodeBook(means, factors, np.array([0.2, 0.9, 0.1]))


def _echo(codes: np.ndarray) -> np.ndarray:
    """Images of one pixel with the codes as its channels, shifted into 0 … 255."""
    return np.rint(codes * 10 + 100).astype(np.uint8)[:, None, None, :]


def test_latents_are_ordered_by_ascending_posterior_variance() -> None:
    rows = traverse_rows(_book(), _echo, steps=5)
    assert rows.latents == (2, 0, 1)
    assert rows.variances == (0.1, 0.2, 0.9)
    assert rows.images.shape == (3, 5, 1, 1, 3)


def test_a_row_moves_only_its_latent_over_the_range_of_the_data() -> None:
    book = _book()
    first = traverse_rows(book, _echo, steps=8).images[0, :, 0, 0].astype(int)
    assert first[:, 2].tolist() == [30, 40, 50, 60, 70, 80, 90, 100]
    assert len(np.unique(first[:, 0])) == len(np.unique(first[:, 1])) == 1


def test_a_plane_shows_two_factors_that_increase_along_it() -> None:
    plane = plane_of_factors(_book(), _echo, (0, 1), steps=8)
    assert plane.latents == (2, 0)
    pixels = plane.images[:, :, 0, 0].astype(int)
    assert pixels[:, 0, 2].tolist() == [100, 90, 80, 70, 60, 50, 40, 30]
    assert pixels[0, :, 0].tolist() == [100, 110, 120, 130, 140, 150, 160, 170]
    assert np.ptp(pixels[:, :, 1]) == 0


def test_a_latent_that_is_best_for_both_factors_is_assigned_to_one() -> None:
    assert best_pair(np.array([0.9, 0.5, 0.1]), np.array([0.8, 0.1, 0.0])) == (1, 0)


def test_codes_come_from_the_encoder_and_images_from_the_decoder() -> None:
    model, pixels = _model(), mini_pixels()
    book = code_book(model, pixels, Mini.grid, images=20, seed=3)
    numbers = np.sort(numpy_generator(3, "traversal").choice(4096, 20, replace=False))
    posterior = model.posterior(pixels.batch(numbers)[None])
    assert book.means == pytest.approx(posterior.mean[0].numpy(), abs=1e-6)
    assert book.variances == pytest.approx(posterior.logvar[0].exp().mean(dim=0).numpy(), rel=1e-4)
    assert np.array_equal(book.factors, Mini.grid.factors_of(numbers))
    images = decoder_of(model)(book.means)
    expected = torch.sigmoid(model.logits(torch.from_numpy(book.means)[None]))[0] * 255
    assert images.dtype == np.uint8
    assert images == pytest.approx(expected.numpy(), abs=0.51)


def test_images_of_a_gan_are_drawn_by_its_generator() -> None:
    images = traverse_plane(
        _book_of_four(), decoder_of(_model("weakly_supervised_gan")), (0, 1), steps=3, flip=(False, True)
    )
    assert images.images.shape == (3, 3, 32, 32, 3)


def _book_of_four() -> CodeBook:
    rng = np.random.default_rng(0)
    return CodeBook(rng.normal(size=(50, 4)).astype(np.float32), rng.integers(8, size=(50, 2)), np.ones(4))


def test_a_method_without_a_decoder_is_refused_in_one_sentence() -> None:
    with pytest.raises(UserError, match=r"^pcl has no decoder, so that its codes cannot be drawn\.$"):
        decoder_of(_model("pcl"))
