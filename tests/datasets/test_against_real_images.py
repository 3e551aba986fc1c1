"""The renderers against real images (reference/README.md)."""

from pathlib import Path

import numpy as np

from perturb.datasets import DSprites, Shapes3D

REFERENCE = Path(__file__).parent / "reference"


def test_every_real_dsprites_frame_equals_the_rendered_image_pixel_for_pixel() -> None:
    with np.load(REFERENCE / "dsprites_frames.npz", allow_pickle=False) as file:
        frames, numbers = np.unpackbits(file["frames"], axis=1).reshape(-1, 64, 64), file["numbers"]
    drawn = DSprites().images(numbers)[..., 0] // 255
    differing = (drawn != frames).sum(axis=(1, 2))
    assert len(frames) == len(np.unique(numbers)) == 191
    assert np.bincount(DSprites.grid.factors_of(numbers)[:, 0]).min() > 20, "all three shapes must occur"
    assert differing.max() == 0


def test_rendered_shapes3d_images_are_close_to_real_samples() -> None:
    with np.load(REFERENCE / "shapes3d_samples.npz", allow_pickle=False) as file:
        images, factors = file["images"].astype(int), file["factors"]
    drawn = Shapes3D().images(Shapes3D.grid.indices_of(factors)).astype(int)
    difference = np.abs(drawn - images).mean(axis=(1, 2, 3))
    assert len(images) == 25
    assert difference.mean() < 5.5
    assert difference.max() < 9
    others = Shapes3D().images(Shapes3D.grid.indices_of(np.roll(factors, 1, axis=0))).astype(int)
    assert np.abs(others - images).mean(axis=(1, 2, 3)).min() > 2 * difference.mean(), "other images must differ clearly"
