"""An encoder from another framework, here PCA in NumPy: write its codes to files, and let perturb score the files.

python pca.py codes
perturb evaluate --codes codes --name PCA
"""

import sys
from pathlib import Path

import numpy as np

from perturb import load_benchmark

LATENTS = 4


def pca(images: np.ndarray) -> np.ndarray:
    """Return the first principal components (n, 4) of images (n, pixels), float64, from the covariance of their pixels."""
    centred = images - images.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T @ centred)
    return centred @ axes[:, -LATENTS:]


def write_codes(folder: Path, variants: tuple[str, ...] = ("original", "modified", "noise")) -> None:
    """Fit PCA to each variant and write its codes with the factors of the images."""
    folder.mkdir(parents=True, exist_ok=True)
    for variant in variants:
        data = load_benchmark("mini", variant=variant)
        images = data.images(np.arange(len(data)))[:, ::2, ::2].reshape(len(data), -1) / 255
        np.savez(folder / f"{variant}.npz", codes=pca(images), factors=data.factors)


if __name__ == "__main__":
    write_codes(Path(sys.argv[1]))
