"""The operator of optimal decoders against their explicitly computed loss."""

import torch

from perturb.perturbation.exact_game import explained, mean_operator


def test_separate_posteriors_explain_everything() -> None:
    mean, std = torch.arange(6.0)[:, None] * 10, torch.full((6, 1), 0.1)
    operator = explained(mean, std, samples=3, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(operator, torch.eye(6), atol=1e-6)


def test_identical_posteriors_explain_only_the_mean() -> None:
    operator = explained(torch.zeros(5, 2), torch.ones(5, 2), samples=2, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(operator, torch.full((5, 5), 0.2))


def test_the_quadratic_form_is_the_loss_of_the_best_decoders() -> None:
    generator = torch.Generator().manual_seed(1)
    mean, std = torch.randn(40, 2, generator=generator), 0.2 + torch.rand(40, 2, generator=generator)
    target = torch.randn(40, 3, generator=generator)
    operator = mean_operator([explained(mean, std, samples=400, generator=generator)])
    loss = 0.0
    for _ in range(400):
        codes = mean + std * torch.randn(mean.shape, generator=generator)
        logs = -(((codes[:, None] - mean) / std).square().sum(dim=2)) / 2 - std.log().sum(dim=1)
        best = torch.softmax(logs, dim=1) @ target
        loss += (target - best).square().sum(dim=1).mean().item() / 400
    expected = target.square().sum(dim=1).mean() - (target * (operator @ target)).sum() / 40
    assert abs(loss - expected.item()) < 0.03 * loss
