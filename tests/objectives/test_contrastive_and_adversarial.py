import pytest
import torch
from mini_images import mini_pixels
from torch.nn import functional

from perturb.config import TrainingConfig
from perturb.config.objectives import PCLConfig, WeaklySupervisedGANConfig
from perturb.datasets.renderers.mini import Mini
from perturb.models.gan import PairDiscriminator, generator, image_encoder
from perturb.models.layers import glorot_uniform_
from perturb.models.normalisation import BatchNorm, SpectralNorm
from perturb.objectives.pcl import PCL, ContrastiveHead
from perturb.objectives.posterior import DiagonalGaussian
from perturb.objectives.weakly_supervised_gan import WeaklySupervisedGAN, negative_log_likelihood
from perturb.random.philox import CounterRNG

TRAINING = TrainingConfig(architecture="conv32", learning_rate=1e-3)
SEEDS = [5, 6]
PIXELS = mini_pixels()
SIZES = {"channels": 3, "latents": 4, "seeds": SEEDS, "device": "cpu"}


def test_the_contrastive_head_matches_a_hand_calculation() -> None:
    head = ContrastiveHead(1, 2)
    with torch.no_grad():
        head.shift.copy_(torch.tensor([[0.5, 0.0]]))
        head.square.fill_(2.0)
        head.constant.fill_(0.25)
    found = head(torch.tensor([[[1.0, -1.0]]]), torch.tensor([[[0.0, 2.0]]]))
    assert found.item() == pytest.approx(-(abs(1.0 + 0.5) + abs(-1.0 - 2.0)) + 2.0 * 2.0 + 0.25)


def test_pcl_distinguishes_real_pairs_from_permuted_ones() -> None:
    objective, draws = PCL(PCLConfig(), TRAINING, **SIZES), CounterRNG(SEEDS)
    images = PIXELS.batch(objective.batch(draws, Mini.grid, 12))
    terms = objective.losses(images, draws)
    objective.networks.train()
    first, second = objective.posterior(images).mean.chunk(2, dim=1)
    order = draws.permutations("negatives", 1, 6)[:, 0]
    for r in range(2):
        logits = torch.stack(
            [
                objective.networks["head"](first, second)[r],
                objective.networks["head"](first, torch.stack([second[s][order[s]] for s in range(2)]))[r],
            ]
        )
        labels = torch.tensor([[1.0], [0.0]]).expand(2, 6)
        expected = functional.binary_cross_entropy_with_logits(logits, labels)
        assert terms["loss"][r].item() == pytest.approx(expected.item(), rel=1e-4)


def test_the_heads_square_coefficient_is_never_negative() -> None:
    objective, draws = PCL(PCLConfig(), TRAINING, **SIZES), CounterRNG(SEEDS)
    with torch.no_grad():
        objective.networks["head"].square.fill_(-0.5)
    objective.update(PIXELS.batch(objective.batch(draws, Mini.grid, 8)), draws)
    assert torch.equal(objective.networks["head"].square, torch.zeros(2))


def test_the_encoder_likelihood_equals_torchs() -> None:
    posterior, codes = DiagonalGaussian(torch.randn(2, 5, 4), torch.randn(2, 5, 4)), torch.randn(2, 5, 4)
    normal = torch.distributions.Normal(posterior.mean, torch.exp(posterior.logvar / 2))
    expected = -normal.log_prob(codes).sum(dim=2).mean(dim=1)
    assert torch.allclose(negative_log_likelihood(posterior, codes), expected, rtol=1e-4)


def test_generated_pairs_agree_in_the_labelled_unit_only() -> None:
    objective = WeaklySupervisedGAN(WeaklySupervisedGANConfig(), TRAINING, **SIZES)
    first, second, label = objective._codes("generator", 500, CounterRNG(SEEDS))
    assert torch.equal(first == second, functional.one_hot(label, 4).bool())
    assert label.unique().tolist() == [0, 1, 2, 3]


def test_the_generator_step_and_the_critics_step_update_only_their_own_networks() -> None:
    objective, draws = WeaklySupervisedGAN(WeaklySupervisedGANConfig(), TRAINING, **SIZES), CounterRNG(SEEDS)
    before = {name: w.detach().clone() for name, w in objective.networks.named_parameters()}
    objective._update_generator(4, draws)
    assert all(weight.grad is None for weight in objective.networks["discriminator"].parameters())
    moved = {name.split(".")[0] for name, w in objective.networks.named_parameters() if not torch.equal(w, before[name])}
    assert moved == {"generator"}
    before = {name: w.detach().clone() for name, w in objective.networks.named_parameters()}
    images = PIXELS.batch(objective.batch(draws, Mini.grid, 8))
    shared = draws.integers("shared", 4, 4)
    objective._update_critics(*images.chunk(2, dim=1), shared, draws)
    moved = {name.split(".")[0] for name, w in objective.networks.named_parameters() if not torch.equal(w, before[name])}
    assert moved == {"discriminator", "encoder"}


def test_the_gan_has_the_layers_of_the_original_code_at_64_pixels() -> None:
    sizes = 1, 3, 6, 64
    made, discriminator, encoder = generator(*sizes), PairDiscriminator(*sizes, width=2), image_encoder(*sizes)

    def shapes(network: torch.nn.Module) -> list[tuple[int, ...]]:
        return [tuple(w.shape[1:]) for name, w in network.named_parameters() if name.endswith("weight")]

    assert shapes(made) == [(6, 128), (128, 1024), (64, 4, 4, 64), (64, 4, 4, 32), (32, 4, 4, 32), (32, 4, 4, 3)]
    convolutions = [(4, 4, 3, 64), (4, 4, 64, 64), (4, 4, 64, 128), (4, 4, 128, 128)]
    assert shapes(discriminator) == [*convolutions, (2048, 256), (512, 256), (256, 256), (256, 1), (6, 256)]
    convolutions = [(4, 4, 3, 32), (4, 4, 32, 32), (4, 4, 32, 64), (4, 4, 64, 64)]
    narrow = shapes(PairDiscriminator(*sizes, width=1))
    assert narrow == [*convolutions, (1024, 128), (256, 128), (128, 128), (128, 1), (6, 128)]
    assert shapes(encoder) == [*convolutions, (1024, 128), (128, 12)]
    for network in (made, discriminator, encoder):
        glorot_uniform_(network, generators=[torch.Generator().manual_seed(0)])
    images = torch.sigmoid(made(torch.randn(1, 5, 6)))
    assert images.shape == (1, 5, 64, 64, 3)
    assert encoder(images).shape == (1, 5, 12)
    assert discriminator(images, images, torch.zeros(1, 5, dtype=torch.long)).shape == (1, 5)


def test_batch_norm_equals_torchs() -> None:
    ours, theirs = BatchNorm(2, 3), [torch.nn.BatchNorm1d(3) for _ in range(2)]
    for _ in range(3):
        values = torch.randn(2, 7, 3) * 3 + 1
        found = ours(values)
        for r in range(2):
            assert torch.allclose(found[r], theirs[r](values[r]), atol=1e-5)
    ours.eval()
    for r in range(2):
        theirs[r].eval()
        assert torch.allclose(ours(values)[r], theirs[r](values[r]), atol=1e-5)


def test_batch_norm_in_bfloat16_equals_that_in_float32() -> None:
    exact, fast, values = BatchNorm(2, 3), BatchNorm(2, 3), (torch.randn(2, 7, 4, 4, 3) * 3 + 1).bfloat16()
    for training in (True, False):
        found = fast.train(training)(values)
        assert found.dtype == torch.bfloat16
        assert torch.allclose(found.float(), exact.train(training)(values.float()), rtol=2**-7, atol=0.01)
    assert torch.allclose(fast.running_mean, exact.running_mean, atol=1e-3)
    assert torch.allclose(fast.running_variance, exact.running_variance, rtol=1e-3)


def test_batch_norm_of_images_averages_over_positions_too() -> None:
    values = torch.randn(1, 4, 5, 5, 3)
    found = BatchNorm(1, 3)(values)
    assert torch.allclose(found.mean(dim=(1, 2, 3)), torch.zeros(1, 3), atol=1e-5)
    assert torch.allclose(found.std(dim=(1, 2, 3), unbiased=False), torch.ones(1, 3), atol=1e-3)


def test_spectral_norm_scales_the_largest_singular_value_to_one() -> None:
    weight, norm = torch.randn(2, 4, 4, 3, 8), SpectralNorm((2, 4, 4, 3, 8))
    norm.start_([torch.Generator().manual_seed(seed) for seed in SEEDS])
    for _ in range(100):
        norm(weight)
    norm.eval()
    before = norm.left.clone()
    found = norm(weight)
    assert torch.equal(norm.left, before)
    assert torch.allclose(torch.linalg.svdvals(found.flatten(1, 3))[:, 0], torch.ones(2), atol=1e-3)
