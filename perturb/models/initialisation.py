"""Initial weights."""

import math
from collections.abc import Sequence

import torch
from torch import nn

from perturb.models.layers import Layer
from perturb.models.normalisation import SpectralNorm


@torch.no_grad()
def glorot_uniform_(module: nn.Module, *, generators: Sequence[torch.Generator]) -> None:
    """Glorot-uniform weights and zero biases in every layer (the tf.layers default), each restart from its own generator.

    The fans of a convolution include its receptive field, as in TensorFlow.
    """
    for layer in module.modules():
        if isinstance(layer, SpectralNorm):
            layer.start_(generators)
        if isinstance(layer, Layer):
            limit = math.sqrt(6 / sum(layer.fans))
            for weight, generator in zip(layer.weight, generators, strict=True):
                weight.uniform_(-limit, limit, generator=generator)
            layer.bias.zero_()
