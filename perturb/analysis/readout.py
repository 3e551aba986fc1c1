"""Evidence that the factors are still in the images: a small supervised network predicts every factor on one variant.

The network is an encoder of the architecture that the methods use, with one softmax head per factor. It is trained on a
random part of the grid and tested on the rest, which holds combinations of factors that it has never seen. Whatever it
predicts from perturbed images must be present in them, whether or not an unsupervised method recovers it.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from perturb.datasets.ground_truth import FactorGrid
from perturb.datasets.pixels import Pixels
from perturb.errors import UserError
from perturb.models import ARCHITECTURES, glorot_uniform_
from perturb.models.gaussian_head import GaussianHead
from perturb.models.layers import Linear
from perturb.progress import Progress
from perturb.random.seeds import numpy_generator, torch_generator

MOST_TESTED = 10_000
"""Maximum number of held-out images to test on."""
TEST_BATCH = 256
SAMPLE = 256
"""Number of images from which the mean and standard deviation of the grey levels are estimated."""


@dataclass(frozen=True)
class FactorReadout:
    """The accuracy with which one factor is read from images."""

    factor: str
    accuracy: float
    """Share of the n held-out images whose value is predicted exactly, in [0, 1]."""
    chance: float
    """Share of these images that have the most frequent training value, in [0, 1]; about 1 / values."""
    values: int
    """Number of values of the factor."""
    n: int
    """Number of held-out images tested."""

    def as_json(self) -> dict[str, str | float | int]:
        """Return the fields in the form in which a run's result stores them."""
        return asdict(self)


def read_factors(
    pixels: Pixels,
    grid: FactorGrid,
    *,
    steps: int,
    batch_size: int,
    learning_rate: float,
    held_out: float,
    seed: int,
    device: str = "cpu",
    progress: Progress | None = None,
) -> list[FactorReadout]:
    """Train the network on images of a variant and test it on held-out ones; the images are never all loaded at once.

    Args:
        pixels: Images of the variant, of a size for which there is an architecture.
        grid: Factor grid of the images.
        steps: Number of Adam steps. The learning rate rises to `learning_rate` and then falls to zero ("one cycle").
        batch_size: Images per batch, drawn from the training part with replacement.
        learning_rate: Peak learning rate.
        held_out: Share of the grid held out from training, in (0, 1); up to 10,000 of these images are tested.
        seed: Seed for the split, the batches and the weights.
        device: Device of the network.
        progress: Receives the progress after every step.

    Returns:
        One readout per factor, in the grid's order.

    Raises:
        UserError: If there is no architecture for images of this size, or a part of the split is empty.

    """
    training, testing = split(len(grid), held_out=held_out, seed=seed)
    network = _network(pixels, grid, training, seed=seed).to(device)
    _fit(
        network,
        _batches(pixels, grid, training, steps=steps, batch_size=batch_size, seed=seed, device=device),
        grid,
        steps=steps,
        learning_rate=learning_rate,
        progress=progress,
    )
    hits = _hits(network, pixels, grid, testing, device=device)
    factors, seen = grid.factors_of(testing), grid.factors_of(training)
    majority = [np.bincount(seen[:, k]).argmax() for k in range(grid.num_factors)]
    return [
        FactorReadout(
            factor=name,
            accuracy=float(hits[:, k].mean()),
            chance=float((factors[:, k] == majority[k]).mean()),
            values=grid.sizes[k],
            n=len(testing),
        )
        for k, name in enumerate(grid.names)
    ]


def split(total: int, *, held_out: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the indices of the images to train on, and of up to 10,000 of the others to test on, both sorted.

    Raises:
        UserError: If a part is empty.

    """
    order = numpy_generator(seed, "readout", "split").permutation(total)
    count = round(total * held_out)
    if not 0 < count < total:
        raise UserError(
            f"held_out must leave images on both sides of the split; {held_out:g} of {total:,} images is {count:,}."
        )
    return np.sort(order[count:]), np.sort(order[: min(count, MOST_TESTED)])


class _Standardise(nn.Module):
    """Scale grey levels to mean 0 and variance 1 over all pixels of some images: sprites cover little of a black image."""

    mean: Tensor
    scale: Tensor

    def __init__(self, images: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", images.mean())
        self.register_buffer("scale", images.std().clamp(min=0.01))

    def forward(self, images: Tensor) -> Tensor:
        """Standardise images; the shape stays the same."""
        return (images - self.mean) / self.scale


def _network(pixels: Pixels, grid: FactorGrid, training: np.ndarray, *, seed: int) -> nn.Sequential:
    """Build the network on the CPU: images (1, n, height, width, channels) → logits (1, n, sum of the factors' values)."""
    some = pixels.batch(numpy_generator(seed, "readout", "scale").choice(training, SAMPLE)).cpu()
    height, width, channels = some.shape[1:]
    fitting = [a for a in ARCHITECTURES.values() if height == width == a.image_size]
    if not fitting:
        sizes = dict.fromkeys(a.image_size for a in ARCHITECTURES.values())
        known = " or ".join(f"{size} × {size}" for size in sizes)
        raise UserError(f"factors can be read from images of {known}, these are {height} × {width}.")
    *trunk, head = fitting[0].encoder(1, channels, 1)
    assert isinstance(head, GaussianHead)
    network = nn.Sequential(_Standardise(some), *trunk, Linear(1, head.features, sum(grid.sizes)))
    glorot_uniform_(network, generators=[torch_generator(seed, "readout", "weights")])
    return network


def _batches(
    pixels: Pixels, grid: FactorGrid, numbers: np.ndarray, *, steps: int, batch_size: int, seed: int, device: str
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield images (n, height, width, channels) and factor classes (n, factors)."""
    rng = numpy_generator(seed, "readout", "batches")
    for _ in range(steps):
        drawn = numbers[rng.integers(len(numbers), size=batch_size)]
        yield pixels.batch(drawn, device=device), torch.from_numpy(grid.factors_of(drawn)).to(device)


def _fit(
    network: nn.Module,
    batches: Iterator[tuple[Tensor, Tensor]],
    grid: FactorGrid,
    *,
    steps: int,
    learning_rate: float,
    progress: Progress | None,
) -> None:
    """Minimise the cross-entropy, summed over factors and averaged over the batch."""
    adam = torch.optim.Adam(network.parameters(), lr=learning_rate)
    # One more step than are made, because OneCycleLR rejects a total of one step.
    cycle = torch.optim.lr_scheduler.OneCycleLR(adam, max_lr=learning_rate, total_steps=steps + 1)
    for step, (images, factors) in enumerate(batches):
        losses = [
            functional.cross_entropy(logits, classes)
            for logits, classes in zip(_heads(network, images, grid), factors.T, strict=True)
        ]
        adam.zero_grad()
        torch.stack(losses).sum().backward()
        adam.step()
        cycle.step()
        if progress:
            progress.report(step + 1, steps, "reading factors")


def _heads(network: nn.Module, images: Tensor, grid: FactorGrid) -> tuple[Tensor, ...]:
    """Return the logits of every factor, each (n, values), for images in [0, 1]."""
    return network(images[None])[0].split(list(grid.sizes), dim=1)


@torch.no_grad()
def _hits(network: nn.Module, pixels: Pixels, grid: FactorGrid, numbers: np.ndarray, *, device: str) -> np.ndarray:
    """Return whether each factor of each image is predicted correctly, bool (n, factors)."""
    network.eval()
    found = []
    for start in range(0, len(numbers), TEST_BATCH):
        images = pixels.batch(numbers[start : start + TEST_BATCH], device=device)
        found.append(torch.stack([logits.argmax(dim=1) for logits in _heads(network, images, grid)], dim=1).cpu().numpy())
    return np.concatenate(found) == grid.factors_of(numbers)
