"""Exact Jacobians of decoders.

One tangent per latent is pushed through the decoder layer by layer, together with the codes. An affine layer maps all
tangents by its linear part, in one call. All other layers use autograd. This costs about as much as decoding 1 + latents
images per code, whatever the size of an image, and no Jacobian depends on another.

Forward-mode differentiation of the whole decoder would do the same, but the convolutions of perturb/models define only a
backward pass, which cannot be differentiated again. Decoders built from torch's own operations are treated as one layer.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from perturb.models.layers import Cast, Layer

Decoder = Callable[[Tensor], Tensor]


def jacobians(decoder: Decoder, codes: Tensor) -> Tensor:
    """Compute the derivatives of every decoder output with respect to every latent.

    Args:
        decoder: A decoder from perturb/models, whose codes and images have the restart as their first axis, or a twice
            differentiable function made of torch operations that decodes each code independently. A module must be in
            evaluation mode. For Jacobians of mean images instead of logits, append nn.Sigmoid().
        codes: Codes (..., latents). The result has their precision: decoders from perturb/models compute in float64 if the
            codes are float64, whatever they were trained in.

    Returns:
        Jacobians (..., values, latents), where an image (..., height, width, channels) has height · width · channels values.

    Raises:
        ValueError: If the decoder is in training mode, where a code's image may depend on the other codes, or if autograd
            cannot trace the images back to the codes.

    """
    if isinstance(decoder, nn.Module) and decoder.training:
        raise ValueError("a decoder must be in evaluation mode (decoder.eval()) to draw each code by itself")
    latents = codes.shape[-1]
    units = torch.eye(latents, dtype=codes.dtype, device=codes.device)
    along = units.view(latents, *[1] * (codes.dim() - 1), latents).expand(latents, *codes.shape)
    _, tangents = _pushed(decoder, codes.detach(), along)
    return tangents.detach().movedim(0, -1).flatten(codes.dim() - 1, -2)


def _pushed(part: Decoder, values: Tensor, tangents: Tensor) -> tuple[Tensor, Tensor]:
    """Return a part's outputs (...), and its derivative applied to every tangent (latents, ...)."""
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
    """Apply an affine layer without its bias. Tangents (latents, restarts, n, ...) are batched as if they were codes."""
    latents, n = tangents.shape[0], tangents.shape[2]
    flat = tangents.transpose(0, 1).flatten(1, 2)
    found = layer(flat) - layer(torch.zeros_like(flat[:, :1]))
    return found.unflatten(1, (latents, n)).transpose(0, 1)


@torch.enable_grad()
def _by_autograd(part: Decoder, values: Tensor, tangents: Tensor) -> tuple[Tensor, Tensor]:
    """Compute J t for every tangent t with reverse mode alone: vᵀJ is linear in v, and its derivative along t is J t."""
    inputs = values.detach().requires_grad_()
    outputs = part(inputs)
    if not outputs.requires_grad:
        raise ValueError("a decoder must be made of differentiable operations on its codes, and autograd found none")
    weights = torch.zeros_like(outputs, requires_grad=True)
    (product,) = torch.autograd.grad(outputs, inputs, weights, create_graph=True)
    found = [torch.autograd.grad(product, weights, along, retain_graph=True)[0] for along in tangents]
    return outputs.detach(), torch.stack(found)
