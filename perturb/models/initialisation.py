"""How weights start."""

import torch
from torch import nn


def glorot_uniform_(module: nn.Module, *, generator: torch.Generator) -> None:
    """Glorot-uniform weights and zero biases in every linear and convolutional layer (the tf.layers default).

    The fans of a convolution include its receptive field, as in TensorFlow.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            nn.init.xavier_uniform_(layer.weight, generator=generator)
            nn.init.zeros_(layer.bias)
