"""Jacobians of decoders, exact.

A tangent for each latent goes through the decoder layer by layer beside the codes themselves. A layer that is affine maps
tangents by its linear part, all of them in one call; every other layer by autograd. That is about as much work as drawing
1 + latents images for each code, however many values an image has, and one Jacobian never depends on another.

Forward-mode differentiation of the whole decoder would do the same, but the convolutions of perturb/models have a backward
pass only, which cannot be differentiated again. Decoders made of torch's own operations are taken as one layer.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from perturb.models.layers import Cast, Layer

Decoder = Callable[[Tensor], Tensor]


def jacobians(decoder: Decoder, codes: Tensor) -> Tensor:
    """Derivatives of every value that a decoder draws by every latent.

    Args:
        decoder: one of perturb/models, which has the restart as the first axis of codes and images, or a function of
            torch operations, twice differentiable, that draws each code by itself. A module must be in evaluation mode. For
            Jacobians of mean images instead of logits, append nn.Sigmoid().
        codes: (..., latents). Their precision is that of the result: decoders of perturb/models work in float64 if the codes
            are float64, whatever they were trained in.

    Returns:
        (..., values, latents) for images (..., height, width, channels) of height · width · channels values.

    Raises:
        ValueError: the decoder is in training mode, where a code's image may depend on the others, or autograd cannot follow
            it from codes to images.

    """
    if isinstance(decoder, nn.Module) and decoder.training:
        raise ValueError("a decoder must be in evaluation mode (decoder.eval()) to draw each code by itself")
    latents = codes.shape[-1]
    units = torch.eye(latents, dtype=codes.dtype, device=codes.device)
    along = units.view(latents, *[1] * (codes.dim() - 1), latents).expand(latents, *codes.shape)
    _, tangents = _pushed(decoder, codes.detach(), along)
    return tangents.detach().movedim(0, -1).flatten(codes.dim() - 1, -2)


def _pushed(part: Decoder, values: Tensor, tangents: Tensor) -> tuple[Tensor, Tensor]:
    """A part's values, and its derivative applied to every tangent: both (latents, ...) where the values are (...)."""
    if isinstance(part, nn.Sequential):
        for layer in part:
            values, tangents = _pushed(layer, values, tangents)
        return values, tangents
    if isinstance(part, Cast):
        return values, tangents
    if isinstance(part, Layer):
        return part(values), _linear_part(part, tangents)
    return _by_autograd(part, values, tangents)


def _linear_part(layer: Layer, tangents: Tensor) -> Tensor:
    """An affine layer without its bias: tangents (latents, restarts, n, ...) lie side by side as if they were codes."""
    latents, n = tangents.shape[0], tangents.shape[2]
    flat = tangents.transpose(0, 1).flatten(1, 2)
    found = layer(flat) - layer(torch.zeros_like(flat[:, :1]))
    return found.unflatten(1, (latents, n)).transpose(0, 1)


@torch.enable_grad()
def _by_autograd(part: Decoder, values: Tensor, tangents: Tensor) -> tuple[Tensor, Tensor]:
    """Derivatives along tangents by reverse mode alone: vᵀJ is linear in v, and its derivative by v along t is J t."""
    inputs = values.detach().requires_grad_()
    outputs = part(inputs)
    if not outputs.requires_grad:
        raise ValueError("a decoder must be made of differentiable operations on its codes, and autograd found none")
    weights = torch.zeros_like(outputs, requires_grad=True)
    (product,) = torch.autograd.grad(outputs, inputs, weights, create_graph=True)
    found = [torch.autograd.grad(product, weights, along, retain_graph=True)[0] for along in tangents]
    return outputs.detach(), torch.stack(found)
