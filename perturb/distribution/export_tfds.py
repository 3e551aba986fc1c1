"""Export a benchmark file as a TensorFlow Datasets dataset, prepared and read without TensorFlow.

The features have the names of TFDS's own `dsprites` and `shapes3d`, so code written for those works. Records are stored as
array_record, which `tfds.data_source` reads with random access and without TensorFlow; `tfds.load` cannot read them. They
are written shard by shard in file order, because the shuffling builders keep up to a gigabyte in memory and call TensorFlow
beyond that. Never prepare as parquet: TFDS 4.9.10 then loses rows.
"""

import contextlib
import io
import logging
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from perturb.datasets.hdf5.reader import BenchmarkFile
from perturb.errors import UserError, adds
from perturb.files import sha256_of
from perturb.locks import NO_LOCK_ERRORS, open_locked

SHARD = 4096
"""Images per shard; TFDS holds a shard in memory, which is 50 MB for Shapes3D."""
Example = tuple[int, dict[str, Any]]


def prepare(source: Path, out: Path, *, report: Callable[[int, int], None] = lambda done, total: None) -> Path:
    """Prepare a benchmark file below a TFDS data folder; row i is row i of the file. An existing dataset is left unchanged.

    Args:
        source: the benchmark file.
        out: the data folder; `tfds.data_source("<dataset>_<variant>", split="train", data_dir=out)` then reads it.
        report: called with (images written, total images).

    Returns:
        The folder of the dataset, <out>/<dataset>_<variant>/1.0.0, which is created atomically.

    Raises:
        UserError: tensorflow-datasets is not installed, the file is damaged, another file is already prepared there, another
            process is preparing it, or the folder cannot be written to.

    """
    found, sha256 = BenchmarkFile(source), sha256_of(source)
    try:
        with _quiet():
            builder = _builder_class()(found, data_dir=out, sha256=sha256, report=report)
            prepared = builder.info.metadata["sha256"]
            if prepared != sha256:
                raise UserError(f"{builder.data_dir}: was prepared from another file than {source}; name another --out.")
            if not Path(builder.data_dir).exists():
                with _alone(Path(builder.data_dir)), tempfile.TemporaryDirectory() as downloads:
                    builder.download_and_prepare(download_dir=downloads)
    except OSError as error:
        raise _unwritable(out, found, error.strerror or str(error)) from None
    except RuntimeError as error:
        if "write() failed" not in str(error):
            raise
        raise _unwritable(out, found, str(error).split(";")[0]) from None
    return Path(builder.data_dir)


@contextlib.contextmanager
def _alone(place: Path) -> Iterator[None]:
    """Let only one process prepare a folder; it first removes what killed processes have left next to it.

    On a file system without locks nothing is removed, because it may belong to another process that is still running.
    """
    lock = place.with_name(f".{place.name}.lock")
    try:
        descriptor = open_locked(lock)
    except OSError as error:
        if error.errno not in NO_LOCK_ERRORS:
            raise
        yield
        return
    if descriptor is None:
        raise UserError(f"{place}: another process is preparing this dataset; wait for it, or end it.")
    try:
        for folder in place.parent.glob(f"incomplete.??????_{place.name}"):
            shutil.rmtree(folder)
        yield
    finally:
        lock.unlink()
        os.close(descriptor)


def _unwritable(out: Path, found: BenchmarkFile, reason: str) -> UserError:
    needed = f"about {found.pixel_bytes:,} bytes are needed at most"
    return UserError(f"{out}: cannot be written ({reason}); {needed}, and nothing was left behind.")


def name_of(dataset: str, variant: str) -> str:
    """Return the TFDS name of a file's dataset: lower-case letters, digits and underscores."""
    return re.sub(r"[^a-z0-9]+", "_", f"{dataset}_{variant}".lower())


@cache
def _builder_class() -> type:
    """Return the builder class; TFDS is imported here, so that importing perturb does not import it."""
    try:
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise UserError(f"{error.name} is not installed: {adds('tfds')}.") from None

    class BenchmarkBuilder(tfds.core.ShardBasedBuilder, skip_registration=True):
        """Prepares one benchmark file."""

        VERSION = tfds.core.Version("1.0.0")
        name: str
        """The name of the file's dataset, set per instance; elsewhere in TFDS it belongs to the class."""

        def __init__(self, found: BenchmarkFile, *, data_dir: Path, sha256: str, report: Callable[[int, int], None]) -> None:
            self.name = name_of(found.name, found.variant)
            self._found, self._sha256, self._report = found, sha256, report
            super().__init__(data_dir=data_dir, file_format="array_record")

        def _info(self) -> tfds.core.DatasetInfo:
            found = self._found
            attributes = {key: str(value) for key, value in found.attributes.items() if key != "complete"}
            return tfds.core.DatasetInfo(
                builder=self,
                description=f"{found.name}, {found.variant}, ε = {found.epsilon:g}; white pixels are {found.white}. "
                f"Row i is image i of the grid {_grid(found)}, the last factor fastest.",
                features=_features(tfds, found),
                citation=found.attributes.get("citation"),
                disable_shuffling=True,
                metadata=tfds.core.MetadataDict({"sha256": self._sha256} | attributes),
            )

        def _shard_iterators_per_split(self, dl_manager: object) -> Mapping[str, list[Callable[[], Iterator[Example]]]]:
            return {"train": _shards(self._found, self._report)}

    return BenchmarkBuilder


def _grid(found: BenchmarkFile) -> str:
    return " × ".join(f"{name} {size}" for name, size in zip(found.grid.names, found.grid.sizes, strict=True))


def _features(tfds: Any, found: BenchmarkFile) -> Any:  # noqa: ANN401
    """Return the features: `image`, and a `label_` and a `value_` for each factor."""
    image = tfds.features.Tensor(shape=found.image_shape, dtype=np.uint8, encoding=tfds.features.Encoding.BYTES)
    features = {"image": image}
    for name, size in zip(found.grid.names, found.grid.sizes, strict=True):
        features[f"label_{name}"] = tfds.features.ClassLabel(num_classes=size)
    for name in found.grid.names:
        features[f"value_{name}"] = tfds.features.Tensor(shape=(), dtype=np.float32)
    return tfds.features.FeaturesDict(features)


def _shards(found: BenchmarkFile, report: Callable[[int, int], None]) -> list[Callable[[], Iterator[Example]]]:
    """Return, for each shard, a function that yields (number, example) for its images in order."""
    total, names = found.grid.num_images, found.grid.names

    def shard(start: int) -> Iterator[Example]:
        stop = min(start + SHARD, total)
        classes = found.grid.factors_of(np.arange(start, stop))
        (images,) = found.blocks(SHARD, start, stop)
        for number, image, labels in zip(range(start, stop), images, classes.tolist(), strict=True):
            example = {"image": image}
            for name, label, values in zip(names, labels, found.factor_values, strict=True):
                example |= {f"label_{name}": label, f"value_{name}": np.float32(values[label])}
            yield number, example
        report(stop, total)

    return [lambda start=start: shard(start) for start in range(0, total, SHARD)]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence TFDS, which prints its steps to stdout and warns that the dataset it is about to prepare does not exist."""
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logger.setLevel(level)
