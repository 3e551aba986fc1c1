"""The reader of the MNIST and FashionMNIST files, on small files with the same layout."""

import gzip
import os
from pathlib import Path

import numpy as np
import pytest
from mutants import mutants

from perturb.datasets.readers import mnist
from perturb.datasets.readers.mnist import read_idx, read_mnist
from perturb.errors import UserError

COUNTS = {"train": 7, "t10k": 3}


def idx(array: np.ndarray) -> bytes:
    """An array in the IDX format."""
    return bytes((0, 0, 8, array.ndim)) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


def arrays(part: str) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(COUNTS[part])
    images = rng.integers(256, size=(COUNTS[part], 28, 28), dtype=np.uint8)
    return images, rng.integers(10, size=COUNTS[part], dtype=np.uint8)


def write(folder: Path, *, zipped: bool = True, **changed: bytes) -> Path:
    """Write all four files; `changed` overrides contents by name, with underscores for hyphens."""
    folder.mkdir(exist_ok=True)
    for part in COUNTS:
        for kind, array in zip(("images-idx3", "labels-idx1"), arrays(part), strict=True):
            name = f"{part}-{kind}-ubyte"
            content = changed.get(name.replace("-", "_"), idx(array))
            (folder / (f"{name}.gz" if zipped else name)).write_bytes(gzip.compress(content, 1) if zipped else content)
    return folder


@pytest.mark.parametrize("zipped", [True, False])
def test_images_and_classes_of_both_parts_are_returned_in_order(
    tmp_path: Path, zipped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mnist, "BLOCK", 1000)
    samples = read_mnist(write(tmp_path / "mnist", zipped=zipped))
    images, labels = zip(arrays("train"), arrays("t10k"), strict=True)
    assert (samples.values.dtype, samples.values.shape) == (np.uint8, (10, 28, 28, 1))
    assert np.array_equal(samples.values[..., 0], np.concatenate(images))
    assert np.array_equal(samples.known, np.concatenate(labels))
    assert samples.pixels.batch(np.arange(10)).max() <= 1


def test_files_with_a_dot_in_their_names_are_found(tmp_path: Path) -> None:
    folder = write(tmp_path / "mnist", zipped=False)
    for path in list(folder.iterdir()):
        path.rename(folder / path.name.replace("-idx", ".idx"))
    assert len(read_mnist(folder)) == 10


def test_compression_is_detected_by_content_and_not_by_name(tmp_path: Path) -> None:
    folder = write(tmp_path / "mnist", zipped=False)
    for path in list(folder.iterdir()):
        path.rename(f"{path}.gz")
    assert len(read_mnist(folder)) == 10


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    folder = write(tmp_path / "mnist")
    (folder / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(
        UserError, match=r"mnist: t10k-labels-idx1-ubyte or t10k-labels-idx1-ubyte\.gz must be in it; put the"
    ):
        read_mnist(folder)
    with pytest.raises(UserError, match=r"absent: train-images-idx3-ubyte or .* must be in it"):
        read_mnist(tmp_path / "absent")


IMAGES, LABELS = arrays("train")
OTHER = {
    "floats": (bytes((0, 0, 0x0D, 3)) + idx(IMAGES)[4:], "must begin with the bytes 00 00 08 03, got 00 00 0d 03"),
    "labels for images": (idx(LABELS), "must begin with the bytes 00 00 08 03, got 00 00 08 01"),
    "text": (b"<html>a page</html>", "must begin with the bytes 00 00 08 03, got 3c 68 74 6d"),
    "nothing": (b"", "must begin with the bytes 00 00 08 03, got nothing"),
    "half a header": (idx(IMAGES)[:9], "ends within its header"),
    "other sizes": (idx(IMAGES[:, :, :27]), r"rows must be of the shape \(28, 28\), got \(28, 27\)"),
    "no rows": (idx(IMAGES[:0]), "must have 1 … 1,369,568 rows, got 0"),
    "too many rows": (idx(IMAGES)[:4] + 4 * b"\xff" + idx(IMAGES)[8:], "must have 1 … 1,369,568 rows, got 4,294,967,295"),
    "truncated": (idx(IMAGES)[:-1], "must have 5,488 values by its header, and ends after 5,487"),
    "longer": (idx(IMAGES) + b"\0", "must have 5,488 values by its header, and goes on after them"),
}  # fmt: skip


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("case", OTHER)
def test_an_invalid_file_is_refused_in_one_sentence(tmp_path: Path, case: str, zipped: bool) -> None:
    content, pattern = OTHER[case]
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(gzip.compress(content) if zipped else content)
    with pytest.raises(UserError, match=rf"train-images-idx3-ubyte: {pattern}; put the four published files") as caught:
        read_idx(path, (28, 28))
    assert "\n" not in str(caught.value)


def test_a_damaged_archive_is_refused_in_one_sentence(tmp_path: Path) -> None:
    path, whole = tmp_path / "train-images-idx3-ubyte.gz", gzip.compress(idx(IMAGES))
    flipped = bytearray(whole)
    flipped[-6] ^= 0xFF
    for content in (whole[:-9], whole[: len(whole) // 2], bytes(flipped), whole[:2]):
        path.write_bytes(content)
        with pytest.raises(
            UserError, match=r"train-images-idx3-ubyte\.gz: (is damaged|must have 5,488 values).*; put the four"
        ):
            read_idx(path, (28, 28))


def test_a_header_that_promises_a_gigabyte_is_refused(tmp_path: Path) -> None:
    """The header promises a gigabyte, and only a few bytes follow."""
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(bytes((0, 0, 8, 3)) + np.array([1_369_568, 28, 28], ">u4").tobytes() + b"abc")
    with pytest.raises(UserError, match="must have 1,073,741,312 values by its header, and ends after 3"):
        read_idx(path, (28, 28))


def test_a_named_pipe_is_refused_without_waiting_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match=r"pipe: is damaged .*it is no regular file"):
        read_idx(tmp_path / "pipe", ())


def test_the_number_of_labels_and_their_range_are_checked(tmp_path: Path) -> None:
    folder = write(tmp_path / "mnist", train_labels_idx1_ubyte=idx(LABELS[:-1]))
    with pytest.raises(UserError, match=r"train-labels-idx1-ubyte\.gz: must have a label for each of 7 images, got 6; put"):
        read_mnist(folder)
    folder = write(tmp_path / "mnist", t10k_labels_idx1_ubyte=idx(np.array([0, 10, 2], np.uint8)))
    with pytest.raises(UserError, match=r"t10k-labels-idx1-ubyte\.gz: labels must be 0 … 9, got 10; put"):
        read_mnist(folder)


def test_mutated_files_are_read_or_refused_in_one_line(tmp_path: Path) -> None:
    path, refusals = tmp_path / "train-images-idx3-ubyte", []
    for content in mutants([idx(IMAGES), gzip.compress(idx(IMAGES), 1)], None, 200, kind="idx"):
        path.write_bytes(content)
        try:
            assert read_idx(path, (28, 28)).shape[1:] == (28, 28)
        except UserError as refusal:
            refusals.append(str(refusal))
    assert len(refusals) > 50
    assert all(refusal.isprintable() for refusal in refusals)
