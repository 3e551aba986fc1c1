"""Proof that the factors are still there: a small supervised network reads every factor from images of one variant.

The trunk is an encoder of the methods' own architecture; one softmax head a factor stands on it. It is trained on a random
part of the grid and asked about images of the other part, combinations of factors that it has never seen. What it reads from
perturbed images is in them, whatever an unsupervised method makes of it.
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
"""Held-out images that are asked about, at most."""
TEST_BATCH = 256
SAMPLE = 256
"""Images that tell how bright and how contrasted they are."""


@dataclass(frozen=True)
class FactorReadout:
    """The accuracy with which one factor is read from images."""

    factor: str
    accuracy: float
    """Share of the n held-out images whose value is named exactly, in [0, 1]."""
    chance: float
    """Share of them that have the value most frequent in training, in [0, 1]; about 1 / values."""
    values: int
    """Number of values that the factor has."""
    n: int
    """Held-out images asked about."""

    def as_json(self) -> dict[str, str | float | int]:
        """The fields as a run's result keeps them."""
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
    """Train the network on images of a variant and ask it about held-out ones; images are drawn, never all loaded.

    Args:
        pixels: of the variant, of a size that an architecture is for.
        grid: their factors.
        steps: of Adam, whose learning rate rises to `learning_rate` and falls to zero ("one cycle").
        batch_size: images, drawn from the training part with replacement.
        learning_rate: the largest.
        held_out: share of the grid that is kept from training, in (0, 1); up to 10,000 images of it are asked about.
        seed: of the split, the batches and the weights.
        device: where the network lives.
        progress: told of every step.

    Returns:
        A readout for each factor, in the grid's order.

    Raises:
        UserError: no architecture is for images of this size, or a part of the split is empty.

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
    """Image numbers to train on, and up to 10,000 of the others to ask about, sorted.

    Raises:
        UserError: a part is empty.

    """
    order = numpy_generator(seed, "readout", "split").permutation(total)
    count = round(total * held_out)
    if not 0 < count < total:
        raise UserError(
            f"held_out must leave images on both sides of the split; {held_out:g} of {total:,} images is {count:,}."
        )
    return np.sort(order[count:]), np.sort(order[: min(count, MOST_TESTED)])


class _Standardise(nn.Module):
    """Grey levels with a mean of 0 and a variance of 1 over all pixels of some images: sprites are few among black."""

    mean: Tensor
    scale: Tensor

    def __init__(self, images: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", images.mean())
        self.register_buffer("scale", images.std().clamp(min=0.01))

    def forward(self, images: Tensor) -> Tensor:
        """The images standardised, in their own shape."""
        return (images - self.mean) / self.scale


def _network(pixels: Pixels, grid: FactorGrid, training: np.ndarray, *, seed: int) -> nn.Sequential:
    """Images (1, n, height, width, channels) → logits (1, n, sum of the factors' values), on the CPU."""
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
    """Images (n, height, width, channels) and factor classes (n, factors)."""
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
    """Minimise the cross-entropies' sum over factors, mean over the batch."""
    adam = torch.optim.Adam(network.parameters(), lr=learning_rate)
    # The cycle counts one step more than are made; it refuses to be of one step only.
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
    """Logits of every factor, each (n, values), of images in [0, 1]."""
    return network(images[None])[0].split(list(grid.sizes), dim=1)


@torch.no_grad()
def _hits(network: nn.Module, pixels: Pixels, grid: FactorGrid, numbers: np.ndarray, *, device: str) -> np.ndarray:
    """Return whether each factor of each image is named, bool (n, factors)."""
    network.eval()
    found = []
    for start in range(0, len(numbers), TEST_BATCH):
        images = pixels.batch(numbers[start : start + TEST_BATCH], device=device)
        found.append(torch.stack([logits.argmax(dim=1) for logits in _heads(network, images, grid)], dim=1).cpu().numpy())
    return np.concatenate(found) == grid.factors_of(numbers)
