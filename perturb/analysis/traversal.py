"""Traversals of a trained model's codes: one latent at a time, and two at once (thesis 4.3.6, Figures 4.10 and 4.11)."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from perturb.datasets.ground_truth import FactorGrid
from perturb.datasets.pixels import Pixels
from perturb.metrics.mig import information_shares
from perturb.objectives import Objective
from perturb.objectives.decode import drawing_network
from perturb.objectives.encode import encode, unit_variances
from perturb.random.seeds import numpy_generator, some_of

Decode = Callable[[np.ndarray], np.ndarray]
"""A function from codes, float32 (n, latents), to images, uint8 (n, height, width, channels)."""
BINS = 20
SPAN = 0.025, 0.975
"""Quantiles of the data's codes between which a latent is traversed. Quantiles, because methods differ in scale."""


@dataclass(frozen=True)
class CodeBook:
    """One model's codes of some images."""

    means: np.ndarray
    """Posterior means, float32 (n, latents)."""
    factors: np.ndarray
    """Class numbers of the factors of the same images, int64 (n, factors)."""
    variances: np.ndarray
    """⟨σ²⟩ of each latent, float64 (latents,)."""

    @property
    def order(self) -> np.ndarray:
        """Latents by ascending ⟨σ²⟩, k(0), k(1), … of eq. 4.8, like principal components by descending variance."""
        return np.argsort(self.variances, kind="stable")

    def path(self, latent: int, steps: int) -> np.ndarray:
        """Return values of a latent from one end of the data's codes to the other, (steps,)."""
        low, high = np.quantile(self.means[:, latent], SPAN)
        return np.linspace(low, high, steps, dtype=np.float32)

    @property
    def centre(self) -> np.ndarray:
        """Medians of the codes, at which all other latents are held fixed, float32 (latents,)."""
        return np.median(self.means, axis=0).astype(np.float32)


@dataclass(frozen=True)
class Rows:
    """Traversals of one latent at a time."""

    latents: tuple[int, ...]
    """The traversed latents, by ascending ⟨σ²⟩."""
    variances: tuple[float, ...]
    """⟨σ²⟩ of each of these latents."""
    images: np.ndarray
    """Decoded images, uint8 (latents, steps, height, width, channels)."""


@dataclass(frozen=True)
class Plane:
    """A traversal of two latents at once."""

    latents: tuple[int, int]
    """The latent that changes from row to row, and the one that changes from column to column."""
    images: np.ndarray
    """Decoded images, uint8 (steps, steps, height, width, channels)."""


def decoder_of(model: Objective) -> Decode:
    """Return the function that maps codes to images in a model with one restart: a decoder, or a GAN's generator.

    Raises:
        UserError: If the model has neither, like PCL.

    """
    drawing_network(model)  # raises if there is none

    @torch.no_grad()
    def decode(codes: np.ndarray) -> np.ndarray:
        images = model.drawn(torch.from_numpy(codes).to(model.device)[None])[0]
        return (images.clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()

    return decode


def code_book(model: Objective, pixels: Pixels, grid: FactorGrid, *, images: int, seed: int) -> CodeBook:
    """Encode at most `images` images, drawn from the grid without replacement."""
    numbers = some_of(len(grid), images, numpy_generator(seed, "traversal"))
    means, logvars = encode(model, pixels, numbers)
    return CodeBook(means, grid.factors_of(numbers), unit_variances(logvars))


def traverse_rows(book: CodeBook, decode: Decode, *, steps: int) -> Rows:
    """Traverse each latent along its path, with the others at the centre, in the order of eq. 4.8."""
    codes = np.tile(book.centre, (len(book.order), steps, 1))
    for row, latent in enumerate(book.order):
        codes[row, :, latent] = book.path(latent, steps)
    variances = tuple(book.variances[book.order].tolist())
    return Rows(tuple(book.order.tolist()), variances, _decoded(codes, decode))


def traverse_plane(
    book: CodeBook, decode: Decode, latents: tuple[int, int], *, steps: int, flip: tuple[bool, bool]
) -> Plane:
    """Traverse two latents along their paths, with the others at the centre; `flip` reverses a path."""
    down, across = (
        book.path(k, steps)[::-1] if turn else book.path(k, steps) for k, turn in zip(latents, flip, strict=True)
    )
    codes = np.tile(book.centre, (steps, steps, 1))
    codes[:, :, latents[0]], codes[:, :, latents[1]] = down[:, None], across[None, :]
    return Plane(latents, _decoded(codes, decode))


def plane_of_factors(book: CodeBook, decode: Decode, factors: tuple[int, int], *, steps: int) -> Plane:
    """Traverse the two latents that are most informative about two factors, flipped so that both factors increase.

    The thesis picked and flipped latents by hand. Here the pair maximises the sum of normalised mutual informations, of the
    first latent with the first factor and of the second latent with the second factor.
    """
    shares = information_shares(book.means, book.factors, BINS)
    latents = best_pair(shares[:, factors[0]], shares[:, factors[1]])
    first, second = (
        bool(np.corrcoef(book.means[:, latent], book.factors[:, factor])[0, 1] < 0)
        for latent, factor in zip(latents, factors, strict=True)
    )
    return traverse_plane(book, decode, latents, steps=steps, flip=(first, second))


def best_pair(first: np.ndarray, second: np.ndarray) -> tuple[int, int]:
    """Return two different indices i, j that maximise first[i] + second[j]."""
    sums = first[:, None] + second[None, :]
    np.fill_diagonal(sums, -np.inf)
    i, j = np.unravel_index(sums.argmax(), sums.shape)
    return int(i), int(j)


def _decoded(codes: np.ndarray, decode: Decode) -> np.ndarray:
    """Decode codes (rows, columns, latents) to images (rows, columns, height, width, channels)."""
    images = decode(codes.reshape(-1, codes.shape[-1]))
    return images.reshape(*codes.shape[:2], *images.shape[1:])
