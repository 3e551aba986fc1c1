"""Optimal precisions of decoders with known curvature."""

import pytest
import torch
from torch import Tensor, nn

from perturb.analysis.posterior_precision import asked_precision, off_diagonal, turned_at_random


class _Linear(nn.Module):
    def __init__(self, matrix: Tensor) -> None:
        super().__init__()
        self.matrix = matrix

    def forward(self, codes: Tensor) -> Tensor:
        """Logits (n, outputs) of codes (n, latents)."""
        return codes @ self.matrix.mT


def test_with_even_odds_the_curvature_is_a_quarter_of_the_gram_matrix() -> None:
    matrix = torch.tensor([[2.0, 1.0], [0.0, 3.0], [1.0, -1.0]], dtype=torch.float64)
    found = asked_precision(_Linear(matrix).eval(), torch.zeros(5, 2, dtype=torch.float64), beta=4.0)
    torch.testing.assert_close(found, torch.eye(2, dtype=torch.float64) + matrix.mT @ matrix / 16)


def test_certain_pixels_add_no_precision() -> None:
    codes = torch.full((3, 2), 100.0, dtype=torch.float64)
    found = asked_precision(_Linear(torch.eye(2, dtype=torch.float64)).eval(), codes, beta=1.0)
    torch.testing.assert_close(found, torch.eye(2, dtype=torch.float64))


def test_the_laplace_posterior_of_a_logistic_model_is_its_hessian() -> None:
    matrix, code = torch.randn(6, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64), torch.ones(3).double()
    image = torch.sigmoid(matrix @ code)

    def minus_log_joint(z: Tensor) -> Tensor:
        logits = matrix @ z
        return (nn.functional.softplus(logits) - image * logits).sum() + z.square().sum() / 2

    hessian = torch.autograd.functional.hessian(minus_log_joint, code)
    torch.testing.assert_close(asked_precision(_Linear(matrix).eval(), code[None], beta=1.0), hessian)


@pytest.mark.parametrize(("matrix", "share"), [(torch.diag(torch.tensor([5.0, 1.0, 0.1])), 0.0), (torch.ones(3, 3), 1.0)])
def test_the_off_diagonal_share_is_0_for_a_diagonal_matrix_and_1_for_rank_1(matrix: Tensor, share: float) -> None:
    assert off_diagonal(matrix).item() == pytest.approx(share, abs=1e-6)


def test_rotating_preserves_the_eigenvalues_and_breaks_the_diagonal() -> None:
    diagonal = torch.diag(torch.tensor([9.0, 1.0, 0.2], dtype=torch.float64))
    turned = turned_at_random(diagonal, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(torch.linalg.eigvalsh(turned), torch.tensor([0.2, 1.0, 9.0], dtype=torch.float64))
    assert off_diagonal(turned).item() > 0.1
