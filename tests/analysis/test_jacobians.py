"""Jacobians against autograd's, row by row, and against known derivatives."""

import pytest
import torch
from torch import Tensor, nn

from perturb.analysis.jacobians import jacobians
from perturb.models import ARCHITECTURES, gan, glorot_uniform_
from perturb.models.layers import with_float32_input


def _initialised(decoder: nn.Sequential, restarts: int) -> nn.Sequential:
    glorot_uniform_(decoder, generators=[torch.Generator().manual_seed(seed) for seed in range(restarts)])
    with torch.no_grad():
        for name, bias in decoder.named_parameters():
            if name.endswith("bias"):
                bias.uniform_(-0.1, 0.1, generator=torch.Generator().manual_seed(len(name)))
    return decoder.eval()


def _codes(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(7))


def _rows_by_autograd(decoder: nn.Module, codes: Tensor, rows: slice) -> Tensor:
    """Some rows of every code's Jacobian, (restarts, n, rows, latents), by one backward pass per row."""
    codes = codes.clone().requires_grad_()
    drawn = decoder(codes).flatten(2)[:, :, rows]
    found = [torch.autograd.grad(drawn[:, :, row].sum(), codes, retain_graph=True)[0] for row in range(drawn.shape[2])]
    return torch.stack(found, dim=2)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("mean", [False, True], ids=["logits", "mean image"])
def test_jacobians_of_stacked_decoders_equal_autograds(architecture: str, mean: bool) -> None:
    decoder = _initialised(ARCHITECTURES[architecture].decoder(2, 3, 4), 2)
    if mean:
        decoder = decoder.append(nn.Sigmoid()).eval()
    codes, values = _codes(2, 3, 4), ARCHITECTURES[architecture].image_size ** 2 * 3
    found, rows = jacobians(decoder, codes), slice(values // 24, None, max(1, values // 6))
    assert found.shape == (2, 3, values, 4)
    expected = _rows_by_autograd(decoder, codes, rows)
    assert expected.abs().amax(dim=(0, 1, 2)).min() > 0
    torch.testing.assert_close(found[:, :, rows], expected, rtol=1e-12, atol=1e-14)


def test_a_generator_with_batch_norm_is_differentiated_in_evaluation_mode() -> None:
    generator = _initialised(gan.generator(1, 1, 3, 32), 1).train()
    with torch.no_grad():
        generator(_codes(1, 20, 3, dtype=torch.float32))
    codes, rows = _codes(1, 4, 3, dtype=torch.float32), slice(0, None, 51)
    torch.testing.assert_close(
        jacobians(generator.eval(), codes)[:, :, rows], _rows_by_autograd(generator, codes, rows), rtol=1e-3, atol=1e-5
    )


def test_a_decoder_in_training_mode_is_refused() -> None:
    with pytest.raises(ValueError, match="evaluation mode"):
        jacobians(gan.generator(1, 1, 3, 32), _codes(1, 4, 3))


def test_a_decoder_that_autograd_cannot_follow_is_refused() -> None:
    with pytest.raises(ValueError, match="differentiable"):
        jacobians(lambda codes: codes.detach()[..., None, None], _codes(2, 3))


def test_jacobians_have_the_precision_of_the_codes_whatever_the_network_uses() -> None:
    plain = _initialised(ARCHITECTURES["conv32"].decoder(1, 1, 3), 1)
    cast, codes = with_float32_input(plain, torch.bfloat16).eval(), _codes(1, 2, 3)
    assert torch.equal(jacobians(cast, codes), jacobians(plain, codes))
    assert jacobians(cast, codes).dtype == torch.float64


def test_an_external_decoder_needs_no_restart_axis_and_may_be_any_function() -> None:
    matrix = _codes(5, 2)

    def decode(codes: Tensor) -> Tensor:
        return (torch.sin(codes) @ matrix.T).view(-1, 5, 1, 1)

    codes = _codes(3, 2) + 1
    torch.testing.assert_close(jacobians(decode, codes), matrix * torch.cos(codes)[:, None, :])
    layers = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 5)).double().eval()
    expected = torch.stack([torch.autograd.functional.jacobian(layers, code) for code in codes])
    torch.testing.assert_close(jacobians(layers, codes), expected)


def test_jacobians_of_trainable_weights_do_not_require_gradients() -> None:
    decoder = _initialised(ARCHITECTURES["conv32"].decoder(1, 1, 2), 1)
    assert not jacobians(decoder, _codes(1, 1, 2)).requires_grad
