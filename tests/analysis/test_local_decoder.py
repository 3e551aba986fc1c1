"""Local approximations of decoders whose answer is known."""

import torch
from torch import Tensor, nn

from perturb.analysis.local_decoder import unexplained

MEAN, STD = torch.tensor([0.3, -0.2]), torch.tensor([0.5, 0.4])
MATRIX = torch.tensor([[0.3, -0.2, 0.6, 0.1], [0.5, 0.4, -0.3, 0.7]])


def _errors(decoder: nn.Module) -> dict[str, float]:
    return unexplained(decoder.eval(), MEAN, STD, train=200, test=200, generator=torch.Generator().manual_seed(0))


class _Behind(nn.Module):
    """Changes around MEAN: a function of the noise times MATRIX."""

    def __init__(self, function: nn.Module) -> None:
        super().__init__()
        self.function = function

    def forward(self, codes: Tensor) -> Tensor:
        """Draw (n, latents) codes as (n, 4) values."""
        return self.function((codes - MEAN) @ MATRIX)


def test_a_linear_decoder_is_explained_by_a_matrix_and_by_its_jacobian() -> None:
    errors = _errors(_Behind(nn.Identity()))
    assert errors["linear"] < 1e-10
    assert errors["jacobian"] < 1e-10
    assert errors["tanh"] > 1e-4


def test_a_decoder_with_a_tanh_is_explained_by_a_tanh_alone() -> None:
    errors = _errors(_Behind(nn.Tanh()))
    assert errors["tanh"] < 1e-8
    assert errors["linear"] > 1e-3
    assert errors["jacobian"] > errors["linear"]


def test_the_derivative_of_an_even_function_explains_nothing() -> None:
    class Square(nn.Module):
        def forward(self, values: Tensor) -> Tensor:
            return values.square()

    assert _errors(_Behind(Square()))["jacobian"] == 1.0
