"""Normalisations of activations and weights, separate for each restart."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional


class BatchNorm(nn.Module):
    """Normalises every feature over the batch (and over positions), then applies a learnt scale and shift.

    In evaluation mode it uses running statistics, an exponential moving average in which each training batch has weight
    `rate` (with the unbiased variance).

    Args:
        restarts: size of the first axis of activations (restarts, n, ..., features).
        features: size of the last axis.
        rate: weight of a batch in the running statistics; 0.1 in torch, and in Shu et al.'s code (momentum 0.9).
        epsilon: added to the variance.

    """

    running_mean: Tensor
    running_variance: Tensor

    def __init__(self, restarts: int, features: int, *, rate: float = 0.1, epsilon: float = 1e-5) -> None:
        super().__init__()
        self.rate, self.epsilon = rate, epsilon
        self.scale = nn.Parameter(torch.ones(restarts, features))
        self.shift = nn.Parameter(torch.zeros(restarts, features))
        self.register_buffer("running_mean", torch.zeros(restarts, features))
        self.register_buffer("running_variance", torch.ones(restarts, features))

    def forward(self, activations: Tensor) -> Tensor:
        """Normalise activations, which keep their shape and precision.

        Statistics are float32. torch's own batch norm is several times as fast, but handles a single restart.
        """
        if activations.dtype == torch.bfloat16 and activations.device.type == "cpu":
            each = [self._by_torch(values, restart) for restart, values in enumerate(activations.flatten(1, -2))]
            return torch.stack(each).view(activations.shape)
        flat = activations.flatten(1, -2).float()
        if self.training:
            variance, mean = torch.var_mean(flat, dim=1, unbiased=False)
            self._remember(mean.detach(), variance.detach() * flat.shape[1] / max(1, flat.shape[1] - 1))
        else:
            variance, mean = self.running_variance, self.running_mean
        gain = self.scale * torch.rsqrt(variance + self.epsilon)
        normalised = torch.addcmul((self.shift - mean * gain)[:, None], flat, gain[:, None])
        return normalised.view(activations.shape).to(activations.dtype)

    def _by_torch(self, values: Tensor, restart: int) -> Tensor:
        running = self.running_mean[restart], self.running_variance[restart]
        affine = self.scale[restart], self.shift[restart]
        return functional.batch_norm(values, *running, *affine, self.training, self.rate, self.epsilon)

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        self.running_mean.lerp_(mean, self.rate)
        self.running_variance.lerp_(variance, self.rate)


class SpectralNorm(nn.Module):
    """Divides a weight (restarts, ..., outputs) by its largest singular value (Miyato et al. 2018).

    The weight is viewed as a matrix with one column per output. There is one power iteration at every use in training mode,
    and none in evaluation mode.
    """

    left: Tensor
    right: Tensor

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.register_buffer("left", torch.empty(shape[0], math.prod(shape[1:-1]), 1))
        self.register_buffer("right", torch.empty(shape[0], shape[-1], 1))

    def start_(self, generators: Sequence[torch.Generator]) -> None:
        """Draw random initial directions, those of each restart from its own generator."""
        for vectors in (self.left, self.right):
            for vector, generator in zip(vectors, generators, strict=True):
                vector.normal_(generator=generator)
                vector.div_(vector.norm())

    def forward(self, weight: Tensor) -> Tensor:
        """Return the weight divided by its largest singular value, with the same shape."""
        matrix = weight.flatten(1, -2)
        if self.training:
            self._iterate(matrix.detach())
        left, right = self.left.clone(), self.right.clone()
        norm = (left * torch.bmm(matrix, right)).sum(dim=(1, 2))
        return weight / norm.view(-1, *[1] * (weight.dim() - 1))

    @torch.no_grad()
    def _iterate(self, matrix: Tensor) -> None:
        self.left.copy_(functional.normalize(torch.bmm(matrix, self.right), dim=1))
        self.right.copy_(functional.normalize(torch.bmm(matrix.transpose(1, 2), self.left), dim=1))
