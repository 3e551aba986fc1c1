import pytest
import torch

from perturb.perturbation.bounds import reflect_or_clip
from perturb.perturbation.pooling import Movable, enlarged, pooled


def test_pooling_preserves_the_norm_of_images_that_are_constant_in_each_cell() -> None:
    cells = torch.rand(2, 8, 8, 3)
    images = enlarged(cells, 32)
    assert torch.allclose(pooled(images).square().sum(dim=1), images.square().sum(dim=(1, 2, 3)))
    assert torch.allclose(pooled(images), 4 * cells.flatten(1))


@pytest.mark.parametrize("bound", ["reflect", "clip"])
@pytest.mark.parametrize("size", [8, 32])
def test_the_fast_pooled_perturbation_and_its_gradient_equal_those_over_all_pixels(bound: str, size: int) -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(3, 32, 32, 2, dtype=torch.float64, generator=generator)
    pattern = 2 * torch.rand(3, size, size, 2, dtype=torch.float64, generator=generator) - 1
    weights = torch.rand(3, 128, dtype=torch.float64, generator=generator)
    results = []
    for fast in (True, False):
        leaf = pattern.clone().requires_grad_()
        found = (
            Movable(images, epsilon=0.25, bound=bound).pooled(leaf)
            if fast
            else pooled(reflect_or_clip(images, enlarged(leaf, 32), epsilon=0.25, bound=bound))
        )
        (found * weights).sum().backward()
        results.append((found.detach(), leaf.grad))
    assert torch.allclose(results[0][0], results[1][0])
    assert torch.allclose(results[0][1], results[1][1])
