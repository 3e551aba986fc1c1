"""Export to TFDS without TensorFlow: prepared row by row and read back by TFDS's own data source."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from small_files import SmallShapes, SmallSprites, disk_that_is_full_at, images_of, write_small_file

from perturb.datasets import GroundTruth
from perturb.distribution import export_tfds as tfds_builder
from perturb.distribution.export_tfds import name_of, prepare
from perturb.errors import UserError

tfds = pytest.importorskip("tensorflow_datasets")


@pytest.fixture(scope="module", params=[SmallSprites, SmallShapes])
def truth(request: pytest.FixtureRequest) -> GroundTruth:
    return request.param()


@pytest.fixture(scope="module")
def prepared(truth: GroundTruth, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tfds")
    source = write_small_file(folder / "modified.h5", truth)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tfds_builder, "SHARD", 40)
        prepare(source, folder / "data")
    return folder


def test_rows_are_returned_in_the_order_of_the_file(prepared: Path, truth: GroundTruth) -> None:
    data = tfds.data_source(f"{truth.name}_modified", split="train", data_dir=prepared / "data")
    total = truth.grid.num_images
    assert len(data) == total
    rows = [data[number] for number in range(total)]
    expected = images_of(truth, "modified", np.arange(total))
    assert all(np.array_equal(row["image"], image) for row, image in zip(rows, expected, strict=True))
    assert rows[0]["image"].dtype == np.uint8
    classes, values = truth.grid.factors_of(np.arange(total)), truth.values_of(np.arange(total)).astype(np.float32)
    for column, name in enumerate(truth.grid.names):
        assert [row[f"label_{name}"] for row in rows] == classes[:, column].tolist()
        assert [row[f"value_{name}"] for row in rows] == values[:, column].tolist()
    assert len(list((prepared / "data").rglob("*.array_record-*"))) == -(-total // 40)


def test_features_are_named_like_those_of_the_builders_in_tfds(prepared: Path, truth: GroundTruth) -> None:
    ours = tfds.builder_from_directory(prepared / "data" / f"{truth.name}_modified" / "1.0.0").info
    theirs = tfds.builder(truth.name, data_dir=prepared / "none").info
    assert set(ours.features) == set(theirs.features)
    for name, feature in theirs.features.items():
        assert ours.features[name].shape == feature.shape
        assert ours.features[name].np_dtype == feature.np_dtype
    assert ours.metadata["run"] == "file-modified"
    assert ours.disable_shuffling


def test_preparing_again_does_nothing_and_another_file_is_refused(
    prepared: Path, truth: GroundTruth, tmp_path: Path
) -> None:
    told = []
    before = {path: path.stat().st_mtime_ns for path in (prepared / "data").rglob("*")}
    place = prepare(prepared / "modified.h5", prepared / "data", report=lambda done, total: told.append(done))
    assert place == prepared / "data" / f"{truth.name}_modified" / "1.0.0"
    assert told == []
    other = write_small_file(tmp_path / "other.h5", truth, run="another")
    with pytest.raises(UserError, match=r"1\.0\.0: was prepared from another file than .*other\.h5; name another --out"):
        prepare(other, prepared / "data")
    assert {path: path.stat().st_mtime_ns for path in (prepared / "data").rglob("*")} == before


def test_a_damaged_file_leaves_nothing_prepared(tmp_path: Path) -> None:
    content = bytearray(write_small_file(tmp_path / "modified.h5", SmallShapes()).read_bytes())
    middle = len(content) // 2
    content[middle : middle + 64] = bytes(64)
    (tmp_path / "modified.h5").write_bytes(content)
    with pytest.raises(UserError, match=r"modified\.h5: is damaged \(.*\); make or download it again"):
        prepare(tmp_path / "modified.h5", tmp_path / "data")
    assert [path for path in (tmp_path / "data").rglob("*") if path.is_file()] == []
    assert [path.name for path in (tmp_path / "data").rglob("*1.0.0*")] == []


def test_leftovers_of_a_killed_preparation_are_removed_by_the_next_one(tmp_path: Path) -> None:
    source = write_small_file(tmp_path / "modified.h5", SmallSprites())
    code = f"""
import time
from pathlib import Path
from perturb.distribution import export_tfds as tfds_builder
tfds_builder.SHARD = 40
def report(done, total):
    time.sleep(60)
tfds_builder.prepare(Path({str(source)!r}), Path({str(tmp_path / "data")!r}), report=report)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        # TFDS captures stdout while it prepares, so watch the folder instead.
        deadline = time.monotonic() + 60
        while not (left := list((tmp_path / "data").rglob("incomplete.*"))) and time.monotonic() < deadline:
            time.sleep(0.05)
        with pytest.raises(UserError, match=r"1\.0\.0: another process is preparing this dataset; wait for it, or end it"):
            prepare(source, tmp_path / "data")
        os.kill(process.pid, signal.SIGKILL)
    assert len(left) == 1
    assert left[0].is_dir()
    other = left[0].with_name("incomplete.notes")
    other.mkdir()
    place = prepare(source, tmp_path / "data")
    assert sorted(path.name for path in place.parent.iterdir()) == ["1.0.0", "incomplete.notes"]


def test_without_file_locks_the_dataset_is_prepared_and_nothing_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_small_file(tmp_path / "modified.h5", SmallSprites())
    left = tmp_path / "data" / "dsprites_modified" / "incomplete.abcdef_1.0.0"
    left.mkdir(parents=True)

    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("perturb.locks.fcntl.flock", no_locks)
    assert prepare(source, tmp_path / "data").is_dir()
    assert left.is_dir()


def test_a_folder_that_cannot_be_created_is_reported_in_one_sentence(tmp_path: Path) -> None:
    source = write_small_file(tmp_path / "modified.h5", SmallSprites())
    with pytest.raises(UserError, match=r"modified\.h5: cannot be written \(.+\); about 393,216 bytes"):
        prepare(source, source)


def test_a_full_disk_is_reported_with_the_space_needed(tmp_path: Path) -> None:
    source = write_small_file(tmp_path / "modified.h5", SmallShapes())
    sentence = r"data: cannot be written \(write\(\) failed: File too large\); about 5,898,240 bytes are needed at most"
    with disk_that_is_full_at(100_000), pytest.raises(UserError, match=sentence):
        prepare(source, tmp_path / "data")
    assert [path for path in (tmp_path / "data").rglob("*") if path.is_file()] == []


def test_a_missing_tfds_is_reported_with_the_extra_that_installs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write_small_file(tmp_path / "modified.h5", SmallSprites())
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    tfds_builder._builder_class.cache_clear()
    try:
        with pytest.raises(UserError, match=r"not installed: `pip install '\.\[tfds\]'` in a clone of perturb adds it"):
            prepare(source, tmp_path / "data")
    finally:
        tfds_builder._builder_class.cache_clear()


def test_dataset_names_are_valid_in_tfds() -> None:
    assert name_of("My-Discs", "noise") == "my_discs_noise"


def test_the_command_prints_the_folder_and_does_not_import_tensorflow(tmp_path: Path) -> None:
    source = write_small_file(tmp_path / "noise.h5", SmallSprites(), "noise")
    code = (
        "import sys; from perturb.cli import main\n"
        f"sys.argv = ['perturb', 'dataset', 'to-tfds', {str(source)!r}, '--out', {str(tmp_path / 'data')!r}]\n"
        "try:\n    main()\nfinally:\n    assert 'tensorflow' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{tmp_path / 'data' / 'dsprites_noise' / '1.0.0'}\n"
