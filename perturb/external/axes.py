"""The cost of each variant's images along a model's own axes, those of its codes of the original images.

While a run on the originals is scored, some of its codes are kept with it (`keep`). When all runs have ended, the images of
every variant are held against them (`look`): their local metric in these codes, and what turning the axes would save. Only
arrays are read, the user's encoder is not asked again, and nothing is trained.
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
"""Name of a run's file with the codes that are kept: arrays `numbers` (n,) of images, `codes` (n, latents in use)."""
SAMPLE = 2_000
"""Images whose codes are kept, at most."""
FEWEST = 100
"""Images with codes, at least."""
MOST_LATENTS = 20
"""Latents in use, at most: in more dimensions a neighbourhood of 2,000 codes holds too few of them to fit slopes."""
MOST_READ = 1_000
"""Latents whose use is looked into, at most."""
MOST_MODELS = 10
"""Models that are looked at, one a seed, so that hundreds of seeds do not take minutes."""
DECIMALS = 4
PRICE = AlignmentConfig().price
PENDING_AXES = AxesOfRun(
    images=SAMPLE, latents=MOST_LATENTS, price=PRICE, saving=99.1234, saving_whole=99.1234, angle=89.1234
)
"""Placeholder as long as any, as those of entries/entry.py."""


@dataclass(frozen=True)
class Look:
    """Measurements of variants along the axes of the models' codes of the originals."""

    found: Mapping[tuple[str, int], AxesOfRun]
    """Measurements by variant and by the seed's number."""
    missing: Mapping[int, str] = field(default_factory=dict[int, str])
    """Reasons for which nothing could be measured in a model's axes, by the seed's number."""


def keep(out: Path, coded: Coded, numbers: np.ndarray, *, seed: int) -> str | None:
    """Keep codes of a sample of images with their run, or return the reason for which they are of no use.

    Args:
        out: the run's folder.
        coded: what was scored.
        numbers: the image of each of its codes, (n,).
        seed: draws the sample.

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
    """Hold the images of every run against the codes that the model of the same seed has of the originals.

    Args:
        originals: folders of the finished runs on the originals that have scores, by number of the seed.
        images: of every run, by variant and number of the seed.
        refused: reasons of `keep`, by number of the seed.
        seed: draws the anchors.

    """
    found: dict[tuple[str, int], AxesOfRun] = {}
    missing: dict[int, str] = {}
    looked_at = _Images()
    for number, run in list(originals.items())[:MOST_MODELS]:
        try:
            if number in refused:
                raise UserError(refused[number])
            numbers, codes = _kept(run)
            slopes = slopes_around(codes, torch_generator(seed, "axes", "anchors"))
            directions = looked_at.directions(images[BASELINE, number])
            for (variant, of), file in images.items():
                if of == number:
                    found[variant, number] = _measured(slopes, looked_at.pooled(file, numbers), directions)
        except UserError as error:
            missing[number] = one_line(str(error))
    return Look(found, missing)


class _Images:
    """Images as models are held against them, each file's read once for a sample."""

    def __init__(self) -> None:
        self._pooled: dict[tuple[Path, bytes], Tensor] = {}
        self._directions: dict[Path, Tensor] = {}

    def pooled(self, file: BenchmarkFile, numbers: np.ndarray) -> Tensor:
        """Pooled images, float32 (n, cells)."""
        key = file.path, numbers.tobytes()
        if key not in self._pooled:
            self._pooled[key] = pooled_images(file, numbers)
        return self._pooled[key]

    def directions(self, file: BenchmarkFile) -> Tensor:
        """The directions in which the images of a file vary; a UserError where they cannot be pooled."""
        height, width, _ = file.image_shape
        if height != width or height % COARSE:
            raise UserError(f"images are pooled to {COARSE} × {COARSE} cells, and these have {height} × {width} pixels")
        if file.path not in self._directions:
            self._directions[file.path] = principal_directions(file, file.grid)
        return self._directions[file.path]


def _kept(run: Path) -> tuple[np.ndarray, Tensor]:
    """Numbers of images, and their codes."""
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
