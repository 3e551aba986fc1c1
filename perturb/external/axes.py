"""The cost of each variant's images along a model's own axes, which are the axes of its codes of the original images.

When a run on the originals is scored, some of its codes are stored with it (`keep`). When all runs have ended, the images of
every variant are compared with these codes (`look`): their local metric in the codes, and what rotating the axes would save.
Only arrays are read; the user's encoder is not called again, and nothing is trained.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from perturb.analysis.axes import cost_of, pooled_images, slopes_around, used_codes
from perturb.config.perturbation import AlignmentConfig
from perturb.datasets.hdf5.reader import BenchmarkFile
from perturb.entries.entry import AxesOfRun
from perturb.errors import UserError
from perturb.manifests import read_manifest, run_file
from perturb.metrics import Coded
from perturb.names import one_line
from perturb.perturbation.pooling import COARSE
from perturb.perturbation.span import principal_directions
from perturb.random.seeds import numpy_generator, some_of, torch_generator
from perturb.reading import reading
from perturb.statistics.scores import BASELINE

CODES = "axes.npz"
"""Name of a run's file of stored codes, with the arrays `numbers` (n,) of images and `codes` (n, latents in use)."""
SAMPLE = 2_000
"""Maximum number of images whose codes are stored."""
FEWEST = 100
"""Minimum number of images with codes."""
MOST_LATENTS = 20
"""Maximum number of latents in use: in more dimensions, a neighbourhood within 2,000 codes holds too few to fit slopes."""
MOST_READ = 1_000
"""Maximum number of latents to check for being in use."""
MOST_MODELS = 10
"""Maximum number of models to measure, one per seed, so that hundreds of seeds do not take minutes."""
DECIMALS = 4
PRICE = AlignmentConfig().price
PENDING_AXES = AxesOfRun(
    images=SAMPLE, latents=MOST_LATENTS, price=PRICE, saving=99.1234, saving_whole=99.1234, angle=89.1234
)
"""A value at least as long as any real one, like those of entries/entry.py."""


@dataclass(frozen=True)
class Look:
    """Measurements of variants along the axes of the models' codes of the originals."""

    found: Mapping[tuple[str, int], AxesOfRun]
    """Measurements, keyed by variant and seed number."""
    missing: Mapping[int, str] = field(default_factory=dict[int, str])
    """Reasons why nothing could be measured along a model's axes, by seed number."""


def keep(out: Path, coded: Coded, numbers: np.ndarray, *, seed: int) -> str | None:
    """Store the codes of a sample of images with their run, or return the reason why they cannot be used.

    Args:
        out: the run's folder.
        coded: the codes and factors that were scored.
        numbers: the number of each code's image, (n,).
        seed: seed for drawing the sample.

    Returns:
        None if the codes were stored, else the reason.

    """
    rng = numpy_generator(seed, "axes", "images")
    rows = some_of(len(numbers), SAMPLE, rng)
    if len(rows) < FEWEST:
        return f"slopes are fitted to the codes of {FEWEST} images or more, and there are {len(rows)}"
    if coded.latents > MOST_READ:
        return f"slopes are fitted in codes of few latents, and there are {coded.latents:,}"
    codes = used_codes(coded.codes[rows])
    latents = codes.shape[1]
    if latents < 2:
        return f"turning compares axes and needs at least 2 latents in use, got {latents}"
    if latents > MOST_LATENTS:
        return f"slopes are fitted in codes of {MOST_LATENTS} latents in use at most, got {latents}"
    np.savez(out / CODES, numbers=numbers[rows], codes=codes.numpy())
    return None


def look(
    originals: Mapping[int, Path],
    images: Mapping[tuple[str, int], BenchmarkFile],
    *,
    refused: Mapping[int, str],
    seed: int,
) -> Look:
    """Measure the images of every run along the axes of the codes that the model of the same seed has of the originals.

    Args:
        originals: folders of the finished, scored runs on the originals, by seed number.
        images: the images of every run, by variant and seed number.
        refused: reasons returned by `keep`, by seed number.
        seed: seed for drawing the anchors.

    """
    found: dict[tuple[str, int], AxesOfRun] = {}
    missing: dict[int, str] = {}
    prepared = _Images()
    for number, run in list(originals.items())[:MOST_MODELS]:
        try:
            if number in refused:
                raise UserError(refused[number])
            numbers, codes = _kept(run)
            slopes = slopes_around(codes, torch_generator(seed, "axes", "anchors"))
            directions = prepared.directions(images[BASELINE, number])
            for (variant, of), file in images.items():
                if of == number:
                    found[variant, number] = _measured(slopes, prepared.pooled(file, numbers), directions)
        except UserError as error:
            missing[number] = one_line(str(error))
    return Look(found, missing)


class _Images:
    """Pooled images to measure along models' axes; each file is read once per sample."""

    def __init__(self) -> None:
        self._pooled: dict[tuple[Path, bytes], Tensor] = {}
        self._directions: dict[Path, Tensor] = {}

    def pooled(self, file: BenchmarkFile, numbers: np.ndarray) -> Tensor:
        """Return the pooled images with these numbers, float32 (n, cells)."""
        key = file.path, numbers.tobytes()
        if key not in self._pooled:
            self._pooled[key] = pooled_images(file, numbers)
        return self._pooled[key]

    def directions(self, file: BenchmarkFile) -> Tensor:
        """Return the directions in which the images of a file vary; raise a UserError if they cannot be pooled."""
        height, width, _ = file.image_shape
        if height != width or height % COARSE:
            raise UserError(f"images are pooled to {COARSE} × {COARSE} cells, and these have {height} × {width} pixels")
        if file.path not in self._directions:
            self._directions[file.path] = principal_directions(file, file.grid)
        return self._directions[file.path]


def _kept(run: Path) -> tuple[np.ndarray, Tensor]:
    """Return the stored numbers of images, and their codes."""
    if CODES not in read_manifest(run)["files"]:
        raise UserError("its run on the originals was finished by a perturb that kept no codes")
    path = run_file(run, CODES)
    with reading(path, "run the evaluation again"), np.load(path, allow_pickle=False) as arrays:
        return arrays["numbers"], torch.from_numpy(arrays["codes"])


def _measured(slopes: Tensor, images: Tensor, directions: Tensor) -> AxesOfRun:
    whole, within = (cost_of(slopes, seen, PRICE) for seen in (images, images @ directions.T))
    return AxesOfRun(
        images=len(images),
        latents=slopes.shape[1],
        price=PRICE,
        saving=round(within.saving, DECIMALS),
        saving_whole=round(whole.saving, DECIMALS),
        angle=round(within.angle, DECIMALS),
    )
