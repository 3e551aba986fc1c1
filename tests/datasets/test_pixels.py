from pathlib import Path

import numpy as np
import pytest
import torch

from perturb.datasets.pixels import BITS, IMAGES, Pixels, PixelsWriter, batch_of_each
from perturb.datasets.renderers.dsprites import DSprites
from perturb.datasets.renderers.mini import Mini

NUMBERS = np.array([[3, 0], [1, 1]])


@pytest.fixture(params=["colour", "binary"])
def original(request: pytest.FixtureRequest) -> np.ndarray:
    """A few images of either kind."""
    source = Mini() if request.param == "colour" else DSprites()
    return source.images(np.arange(0, 700, 100))


def _written(images: np.ndarray, folder: Path) -> Pixels:
    writer = PixelsWriter(folder, images.shape, binary=images.shape[-1] == 1)
    assert [writer.append(block) for block in np.array_split(images, 3)][-1] == len(images)
    writer.close()
    return Pixels.open(folder)


def test_images_are_read_back_as_they_were_written(original: np.ndarray, tmp_path: Path) -> None:
    pixels = _written(original, tmp_path)
    assert len(pixels) == len(original)
    assert pixels.channels == original.shape[-1]
    assert np.array_equal(pixels.images(np.arange(len(original))), original)
    assert np.array_equal(pixels.images(NUMBERS), original[NUMBERS])


def test_binary_images_take_one_bit_per_pixel(tmp_path: Path) -> None:
    images = DSprites().images(np.arange(64))
    _written(images, tmp_path)
    assert (tmp_path / BITS).stat().st_size == images.size // 8 + 128
    assert not (tmp_path / IMAGES).exists()


@pytest.mark.parametrize("resident", [False, True])
@pytest.mark.parametrize("numbers", [NUMBERS, torch.from_numpy(NUMBERS)])
def test_batches_are_float_images_between_0_and_1(
    original: np.ndarray, tmp_path: Path, numbers: np.ndarray | torch.Tensor, resident: bool
) -> None:
    pixels = _written(original, tmp_path)
    batch = (pixels.resident("cpu") if resident else pixels).batch(numbers)
    assert batch.dtype == torch.float32
    assert torch.equal(batch, torch.from_numpy(original[NUMBERS]).float() / 255)


def test_each_restart_draws_from_its_own_images(original: np.ndarray, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    own = [_written(original, tmp_path / "a"), _written(original[::-1], tmp_path / "b")]
    numbers = torch.from_numpy(NUMBERS)
    apart = [pixels.batch(wanted) for pixels, wanted in zip(own, numbers, strict=True)]
    assert not torch.equal(apart[0], own[1].batch(numbers[0]))
    assert torch.equal(batch_of_each(own, numbers), torch.stack(apart))
    assert torch.equal(batch_of_each([own[0], own[0]], numbers), own[0].batch(numbers))


def test_fewer_images_than_announced_are_an_error(tmp_path: Path) -> None:
    images = Mini().images(np.arange(4))
    writer = PixelsWriter(tmp_path, (5, *images.shape[1:]), binary=False)
    writer.append(images)
    with pytest.raises(ValueError, match=r"images\.npy must get 5 images, got 4"):
        writer.close()
