"""Local approximations of decoders with known answers."""

import torch
from torch import Tensor, nn

from perturb.analysis.local_decoder import Approximated, approximated, local_matrix

MEAN, STD = torch.tensor([0.3, -0.2]), torch.tensor([0.5, 0.4])
MATRIX = torch.tensor([[0.3, -0.2, 0.6, 0.1], [0.5, 0.4, -0.3, 0.7]])


def _approximated(decoder: nn.Module) -> dict[str, Approximated]:
    return approximated(decoder.eval(), MEAN, STD, train=200, test=200, generator=torch.Generator().manual_seed(0))


class _Behind(nn.Module):
    """Decodes to a function of the deviation from MEAN times MATRIX."""

    def __init__(self, function: nn.Module) -> None:
        super().__init__()
        self.function = function

    def forward(self, codes: Tensor) -> Tensor:
        """Draw (n, latents) codes as (n, 4) values."""
        return self.function((codes - MEAN) @ MATRIX)


def test_a_linear_decoder_is_explained_by_a_matrix_and_by_its_jacobian() -> None:
    found = _approximated(_Behind(nn.Identity()))
    for name in ("linear", "jacobian"):
        assert found[name].unexplained < 1e-10
        assert abs(found[name].predicted - 1) < 1e-5
    assert found["tanh"].unexplained > 1e-4
    assert found["tanh"].predicted < 1


def test_a_decoder_with_a_tanh_is_explained_only_by_a_tanh() -> None:
    found = _approximated(_Behind(nn.Tanh()))
    assert found["tanh"].unexplained < 1e-8
    assert found["linear"].unexplained > 1e-3
    assert found["jacobian"].unexplained > found["linear"].unexplained
    assert abs(found["tanh"].predicted - 1) < 1e-4
    assert found["jacobian"].predicted > 1.1
    assert abs(found["linear"].predicted - 1) < 0.05


def test_the_matrix_inside_a_tanh_is_recovered() -> None:
    decoder, generator = _Behind(nn.Tanh()).eval(), torch.Generator().manual_seed(0)
    found = local_matrix(decoder, MEAN, STD, draws=200, generator=generator)
    torch.testing.assert_close(found, MATRIX.mT, atol=1e-3, rtol=0)


def test_the_derivative_of_an_even_function_explains_nothing() -> None:
    class Square(nn.Module):
        def forward(self, values: Tensor) -> Tensor:
            return values.square()

    found = _approximated(_Behind(Square()))["jacobian"]
    assert (found.unexplained, found.predicted) == (1.0, 0.0)
