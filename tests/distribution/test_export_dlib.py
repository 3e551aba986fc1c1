"""The export refuses files that the library cannot load. What it writes is read in test_loaders."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
from small_files import SmallShapes, SmallSprites, disk_that_is_full_at, write_small_file

from perturb.datasets import FactorGrid, GroundTruth, Mini
from perturb.distribution.export_dlib import export
from perturb.errors import UserError


class FewColours(Mini):
    """A small part of mini."""

    grid = FactorGrid(Mini.grid.names, (2, 2, 2, 2))
    factor_values = tuple(values[:2] for values in Mini.factor_values)


def test_only_datasets_that_disentanglement_lib_knows_are_exported(tmp_path: Path) -> None:
    source = write_small_file(tmp_path / "modified.h5", FewColours())
    with pytest.raises(
        UserError, match="has classes of dsprites and shapes3d only, and this is mini; read the file with h5py"
    ):
        export(source, tmp_path / "x.npz")
    with pytest.raises(UserError, match=r"--out must end in \.npz, got x\.h5"):
        export(source, tmp_path / "x.h5")
    assert [path.name for path in tmp_path.iterdir()] == ["modified.h5"]


def test_a_damaged_file_or_an_unwritable_target_leaves_nothing_behind(tmp_path: Path) -> None:
    source = write_small_file(tmp_path / "modified.h5", SmallShapes())
    with pytest.raises(UserError, match=r"x\.npz: cannot be written \(File exists\)"):
        export(source, source / "x.npz")
    content = bytearray(source.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 64] = bytes(64)
    source.write_bytes(content)
    with pytest.raises(UserError, match=r"modified\.h5: is damaged \(.*\); make or download it again"):
        export(source, tmp_path / "x.npz")
    assert [path.name for path in tmp_path.iterdir()] == ["modified.h5"]


@pytest.mark.parametrize(("truth", "needed"), [(SmallSprites(), "1,572,864"), (SmallShapes(), "5,898,240")])
def test_a_full_disk_is_reported_with_the_space_needed(truth: GroundTruth, needed: str, tmp_path: Path) -> None:
    source = write_small_file(tmp_path / "modified.h5", truth)
    sentence = (
        rf"x\.npz: cannot be written \(File too large\); at most {needed} bytes are needed, and nothing was left behind"
    )
    with disk_that_is_full_at(100_000), pytest.raises(UserError, match=sentence):
        export(source, tmp_path / "x.npz")
    assert [path.name for path in tmp_path.iterdir()] == ["modified.h5"]


def test_only_the_dsprites_metadata_is_stored_as_python_objects(tmp_path: Path) -> None:
    for truth, objects in ((SmallSprites(), ["metadata"]), (SmallShapes(), [])):
        source = write_small_file(tmp_path / "modified.h5", truth)
        export(source, tmp_path / "x.npz")
        found = []
        with zipfile.ZipFile(tmp_path / "x.npz") as archive:
            for name in archive.namelist():
                with archive.open(name) as member:
                    np.lib.format.read_magic(member)
                    dtype = np.lib.format.read_array_header_1_0(member)[2]
                found += [Path(name).stem] * dtype.hasobject
        assert found == objects
