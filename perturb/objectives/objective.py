"""The interface between methods and the training loop."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

from perturb.config import TrainingConfig
from perturb.config.objectives import MethodSection
from perturb.datasets import FactorGrid
from perturb.models import ARCHITECTURES, glorot_uniform_
from perturb.models.layers import with_float32_input, with_float32_output
from perturb.objectives.likelihood import Likelihood, likelihood
from perturb.objectives.posterior import DiagonalGaussian, Posterior
from perturb.random.philox import StepRNG
from perturb.random.seeds import torch_generator

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}
LONGEST_VECTOR = 16
"""Maximum number of float32 values in a SIMD vector."""
ConfigT = TypeVar("ConfigT", bound=MethodSection)
"""Class of a method's own settings."""


class Objective(ABC, Generic[ConfigT]):
    """Networks, optimisers and one update, for several independent restarts of one method.

    Weights, images, codes and losses have the restart as their first axis (perturb/models/layers.py).

    Args:
        config: the method's own settings.
        training: architecture, optimiser, likelihood, precision.
        channels: of the images.
        latents: size of the code.
        seeds: one per restart, which determines its initial weights. They are drawn on the CPU, whatever the device.
        device: where the networks live.

    """

    steps_per_update = 1
    """Number of steps of TrainingConfig that one update counts as."""

    def __init__(
        self,
        config: ConfigT,
        training: TrainingConfig,
        *,
        channels: int,
        latents: int,
        seeds: Sequence[int],
        device: str,
    ) -> None:
        self.config = config
        self.training = training
        self.latents = latents
        self.device = torch.device(device)
        self.restarts = len(seeds)
        self.dtype = PRECISIONS[training.precision]
        self.networks = nn.ModuleDict(self.new_networks(self.restarts, channels, latents))
        glorot_uniform_(self.networks, generators=[torch_generator(seed, "weights") for seed in seeds])
        self.networks.to(self.device)
        self.optimisers = self.new_optimisers()

    def new_networks(self, restarts: int, channels: int, latents: int) -> dict[str, nn.Module]:
        """Build the architecture's encoder and decoder, not yet initialised, and the likelihood."""
        architecture = ARCHITECTURES[self.training.architecture]
        sizes = restarts, channels, latents
        return {
            "encoder": with_float32_output(architecture.encoder(*sizes)),
            "decoder": with_float32_input(architecture.decoder(*sizes), self.dtype),
            "likelihood": likelihood(self.training.likelihood, restarts),
        }

    def new_optimisers(self) -> dict[str, torch.optim.Optimizer]:
        """Build one optimiser for all weights."""
        return self.new_optimiser(self.networks.parameters())

    def new_optimiser(self, weights: Iterable[nn.Parameter]) -> dict[str, torch.optim.Optimizer]:
        """Build the optimiser that the config names, and return it by its name."""
        rate = self.training.learning_rate
        if self.training.optimiser == "adam":
            return {"adam": self.new_adam(weights, rate)}
        # Unfused, for the reason that `new_adam` gives.
        return {"adagrad": torch.optim.Adagrad(weights, lr=rate, eps=1e-10, foreach=True, fused=False)}

    def new_adam(
        self, weights: Iterable[nn.Parameter], learning_rate: float, betas: tuple[float, float] = (0.9, 0.999)
    ) -> torch.optim.Adam:
        """Build Adam with eps 1e-8, which updates all weights at once.

        Fused Adam rounds the remainder of a SIMD vector differently, so parameters with a size that is not a multiple of it
        take the unfused path. This keeps a restart bit-identical alone and in a stack.
        """
        groups: dict[bool, list[nn.Parameter]] = {True: [], False: []}
        for weight in weights:
            groups[weight[0].numel() % LONGEST_VECTOR == 0].append(weight)
        settings = {"lr": learning_rate, "betas": betas, "eps": 1e-8, "capturable": self.device.type == "cuda"}
        chosen = [{"params": group, "fused": fused, "foreach": not fused} for fused, group in groups.items() if group]
        return torch.optim.Adam(chosen, **settings)

    def compile(self, *, backend: str = "inductor") -> None:
        """Compile every network for the shapes of its inputs, about half a minute each. Weights keep their names."""
        for network in self.networks.values():
            network.compile(backend=backend, dynamic=False)

    def batch(self, draws: StepRNG, grid: FactorGrid, size: int) -> Tensor:
        """Draw the numbers of the next images, (restarts, size), uniformly over the grid with replacement."""
        return draws.integers("batch", grid.num_images, size)

    def posterior(self, images: Tensor) -> Posterior:
        """Return the posterior of images (restarts, n, height, width, channels) in [0, 1]. Metrics read its mean."""
        return DiagonalGaussian(*self.networks["encoder"](images.to(self.dtype)).chunk(2, dim=2))

    def logits(self, codes: Tensor) -> Tensor:
        """Return the decoder's outputs (restarts, n, height, width, channels), float32, of codes (restarts, n, latents).

        They are logits or, under a Gaussian likelihood, means.
        """
        return self.networks["decoder"](codes).float()

    @property
    def likelihood(self) -> Likelihood:
        """The distribution of an image given the decoder's outputs, for methods with a decoder."""
        law = self.networks["likelihood"]
        assert isinstance(law, Likelihood)
        return law

    def reconstruction(self, codes: Tensor, images: Tensor) -> Tensor:
        """Return the negative log-likelihood of images given their codes, in nats per image.

        Args:
            codes: (restarts, n, latents).
            images: (restarts, n, height, width, channels), with values in [0, 1], or of any size under a Gaussian.

        Returns:
            Sum over values, mean over the batch, (restarts,).

        """
        return self.likelihood.loss(self.logits(codes), images)

    def drawn(self, codes: Tensor) -> Tensor:
        """Return the expected images (restarts, n, height, width, channels), float32, of codes (restarts, n, latents)."""
        return self.likelihood.mean(self.logits(codes))

    @abstractmethod
    def update(self, images: Tensor, draws: StepRNG) -> dict[str, Tensor]:
        """Take one step of every optimiser on images (restarts, n, height, width, channels) in [0, 1].

        Noise comes from `draws`.

        Returns:
            Terms before the step, each (restarts,), detached. One is named "loss".

        """


class MinimisedObjective(Objective[ConfigT]):
    """A method that minimises one loss with one optimiser."""

    @abstractmethod
    def losses(self, images: Tensor, draws: StepRNG) -> dict[str, Tensor]:
        """Return terms in nats per image, each (restarts,). The one named "loss" is minimised."""

    def update(self, images: Tensor, draws: StepRNG) -> dict[str, Tensor]:
        """Take one step that lowers the loss."""
        losses = self.losses(images, draws)
        (optimiser,) = self.optimisers.values()
        optimiser.zero_grad()
        losses["loss"].sum().backward()
        optimiser.step()
        return {name: value.detach() for name, value in losses.items()}
