import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from full_disk import small_disk
from small_files import SmallSprites

from perturb.benchmark.verify import verify, verify_file
from perturb.datasets import FactorGrid, GroundTruth, load_own
from perturb.datasets.hdf5.schema import source
from perturb.datasets.hdf5.writer import write_benchmark_file
from perturb.datasets.renderers.mini import Mini
from perturb.errors import UserError
from perturb.perturbation.bounds import apply_pattern
from perturb.perturbation.noise import uniform_noise

ROOT = Path(__file__).parent.parent.parent
EPSILON = 0.175
ATTRIBUTES = {"variant": "noise", "epsilon": EPSILON, "source": "renderer=mini, source=renderer, version=1"}


def _noisy(ground_truth: GroundTruth, numbers: np.ndarray) -> np.ndarray:
    noise = uniform_noise(numbers, ground_truth.image_shape, seed=1)
    return apply_pattern(ground_truth.images(numbers), noise, epsilon=EPSILON, bound="reflect")


def _write(path: Path, ground_truth: GroundTruth) -> None:
    write_benchmark_file(
        path,
        ground_truth,
        lambda numbers: _noisy(ground_truth, numbers),
        attributes=ATTRIBUTES,
        report=lambda done, total: None,
    )


@pytest.fixture(scope="module")
def noise_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("files") / "noise.h5"
    _write(path, Mini())
    return path


def test_every_pixel_of_a_file_is_within_epsilon_of_the_original(noise_file: Path) -> None:
    """The bound is checked here independently of the verifier."""
    with h5py.File(noise_file) as file:
        change = np.abs(file["images"][:].astype(int) - Mini().images(np.arange(4096)).astype(int))
    assert change.max() == 44
    assert change.max() / 255 <= EPSILON
    found = verify(noise_file, Mini())
    assert (found.images, found.largest_change) == (4096, 44)
    assert found.changed_share == pytest.approx((change > 0).mean())
    assert verify_file(noise_file) == found


def test_the_shapes3d_layout_has_images_and_labels(noise_file: Path) -> None:
    with h5py.File(noise_file) as file:
        assert sorted(file) == ["images", "labels"]
        assert file["images"].shape == (4096, 32, 32, 3)
        assert file["images"].dtype == np.uint8
        assert np.array_equal(file["labels"][:], Mini().values_of(np.arange(4096)))
        assert file.attrs["complete"]
        assert file.attrs["epsilon"] == EPSILON
        assert file.attrs["factor_names"] == "floor_hue,wall_hue,object_hue,sky_hue"


def test_the_dsprites_layout_has_imgs_classes_and_values_with_colour_as_the_first_factor(tmp_path: Path) -> None:
    sprites = SmallSprites()
    _write(tmp_path / "noise.h5", sprites)
    with h5py.File(tmp_path / "noise.h5") as file:
        assert sorted(file) == ["imgs", "latents", "latents_classes", "latents_values"]
        assert {name: file["latents"][name] for name in file["latents"]} == {
            "classes": file["latents_classes"],
            "values": file["latents_values"],
        }, "the group must contain the same arrays under other names"
        assert file["imgs"].shape == (96, 64, 64)
        assert file["latents_classes"].dtype == np.int64
        assert file["latents_values"].dtype == np.float64
        assert np.array_equal(file["latents_classes"][:, 1:], sprites.grid.factors_of(np.arange(96)))
        assert (file["latents_classes"][:, 0] == 0).all()
        assert (file["latents_values"][:, 0] == 1).all()
    assert verify(tmp_path / "noise.h5", sprites).largest_change == 44


def test_writing_twice_gives_the_same_bytes(noise_file: Path, tmp_path: Path) -> None:
    _write(tmp_path / "again.h5", Mini())
    assert (tmp_path / "again.h5").read_bytes() == noise_file.read_bytes()


def test_an_exception_while_writing_leaves_nothing_behind(tmp_path: Path) -> None:
    def broken(numbers: np.ndarray) -> np.ndarray:
        if numbers[0] > 1000:
            raise RuntimeError("no more images")
        return Mini().images(numbers)

    with pytest.raises(RuntimeError, match="no more images"):
        write_benchmark_file(
            tmp_path / "x.h5", Mini(), broken, attributes=ATTRIBUTES, report=lambda done, total: None
        )  # fmt: skip
    assert list(tmp_path.iterdir()) == []


def test_a_killed_writer_leaves_no_file_of_that_name(tmp_path: Path) -> None:
    code = f"""
import sys, time
from pathlib import Path
from perturb.datasets.hdf5.writer import write_benchmark_file
from perturb.datasets.renderers.mini import Mini
def images(numbers):
    if numbers[0] > 2000:
        print("half", flush=True); time.sleep(60)
    return Mini().images(numbers)
write_benchmark_file(Path({str(tmp_path / "x.h5")!r}), Mini(), images, attributes={{}}, report=lambda done, total: None)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline().strip() == "half"
        os.kill(process.pid, signal.SIGKILL)
    time.sleep(0.1)
    assert not (tmp_path / "x.h5").exists()


def test_a_full_disk_is_reported_with_the_space_needed_and_nothing_is_left_behind(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", megabytes=14) as disk:
        written = []
        with pytest.raises(UserError, match=r"x\.h5: needs up to 0\.01 GB, and .*disk has 0\.01 GB left; make room"):
            write_benchmark_file(
                disk / "x.h5",
                Mini(),
                lambda numbers: np.random.default_rng(0).integers(0, 256, (len(numbers), 32, 32, 3), np.uint8),
                attributes=ATTRIBUTES,
                report=lambda done, total: written.append(done),
            )
        assert 500 < written[-1] < 3500
        assert list(disk.iterdir()) == []


def _tampered(noise_file: Path, folder: Path, change: "callable") -> Path:
    path = folder / "tampered.h5"
    path.write_bytes(noise_file.read_bytes())
    with h5py.File(path, "r+") as file:
        change(file)
    return path


def _one_pixel(file: h5py.File) -> None:
    image = file["images"][1234]
    image[5, 6, 2] = 255 if image[5, 6, 2] < 128 else 0
    file["images"][1234] = image


def _labels(file: h5py.File) -> None:
    file["labels"][17] = file["labels"][18]


def _other_labels(file: h5py.File) -> None:
    file["labels"][:] = file["labels"][:] + 1


def _other_grid(file: h5py.File) -> None:
    values = FactorGrid(("a", "b", "c"), (64, 8, 8)).factors_of(np.arange(4096)).astype(float)
    del file["labels"]
    file["labels"] = values
    file.attrs["factor_names"], file.attrs["factor_sizes"] = "a,b,c", "64,8,8"


def _without_bound(file: h5py.File) -> None:
    del file.attrs["epsilon"]


def _one_allowed_pixel(file: h5py.File) -> None:
    image, original = file["images"][1234], Mini().images(np.array([1234]))[0]
    image[5, 6, 2] = original[5, 6, 2] if image[5, 6, 2] != original[5, 6, 2] else original[5, 6, 2] ^ 1
    file["images"][1234] = image


def _unfinished(file: h5py.File) -> None:
    file.attrs["complete"] = False


def _without_images(file: h5py.File) -> None:
    del file["images"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_one_pixel, r"image 1234 differs from the original by \d+ grey levels, and ε = 0.175 allows 44"),
        (_labels, "`labels` must run through the grid in order"),
        (_other_labels, "`labels` must list the factors of mini in grid order"),
        (_unfinished, "`complete` is not set: it is no benchmark file, or was not finished; make or download it again"),
        (_without_images, "must have one of the arrays imgs, images"),
        (_other_grid, r"must have the grid \(8, 8, 8, 8\) and images \(32, 32, 3\) of mini, got \(64, 8, 8\)"),
        (_without_bound, r"attribute `epsilon` must be a number in \[0, 1\], got None"),
        (_one_allowed_pixel, "the sha256 of its images must be [0-9a-f]{64}, got [0-9a-f]{64}"),
    ],
)
def test_the_verifier_reports_what_is_wrong(noise_file: Path, tmp_path: Path, change: "callable", message: str) -> None:
    with pytest.raises(UserError, match=message):
        verify(_tampered(noise_file, tmp_path, change), Mini())


def test_a_flipped_bit_on_the_disk_is_detected(noise_file: Path, tmp_path: Path) -> None:
    content = bytearray(noise_file.read_bytes())
    content[len(content) // 2] ^= 4
    (tmp_path / "flipped.h5").write_bytes(content)
    with pytest.raises(UserError, match=r"flipped\.h5"):
        verify(tmp_path / "flipped.h5", Mini())


def test_a_text_file_is_not_a_benchmark_file(tmp_path: Path) -> None:
    (tmp_path / "text.h5").write_text("hello")
    with pytest.raises(UserError, match="cannot be read as HDF5"):
        verify_file(tmp_path / "text.h5")


def test_a_file_made_from_other_originals_is_verified_against_those(tmp_path: Path) -> None:
    code = tmp_path / "discs.py"
    code.write_text((ROOT / "examples" / "own_ground_truth" / "discs.py").read_text())
    truth = load_own(code)
    path = tmp_path / "noise.h5"
    attributes = {"variant": "noise", "epsilon": 0.0, "source": source(truth)}
    write_benchmark_file(path, truth, truth.images, attributes=attributes)
    with pytest.raises(UserError, match=r"was made from .*source=code; name that file with --origin"):
        verify_file(path)
    assert verify_file(path, origin=code).largest_change == 0
    code.write_text(code.read_text() + "\n")
    with pytest.raises(UserError, match=r"its originals must be .*source=code, got "):
        verify_file(path, origin=code)
