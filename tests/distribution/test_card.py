"""The dataset card: its statements match the files, and its code runs unchanged."""

import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from datetime import date
from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml
from markdown_read import html_of
from peers import disent_data, tensorflow_stands_in
from running_server import running_server
from small_files import SmallShapes, SmallSprites, images_of, write_small_file

from perturb.benchmark.recipe import Published, Recipe, write_from
from perturb.cli import app
from perturb.config import DatasetConfig
from perturb.datasets import GroundTruth, Mini, open_ground_truth
from perturb.datasets.hdf5.schema import source
from perturb.distribution.card import render_card
from perturb.distribution.listing import list_folder
from perturb.distribution.publish import publish
from perturb.files import sha256_of, write_json

TRUTHS = {"mini": Mini, "sprites": SmallSprites, "shapes": SmallShapes}
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module", params=TRUTHS)
def published(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[GroundTruth, Path]:
    folder, truth = tmp_path_factory.mktemp(request.param), TRUTHS[request.param]()
    for variant in ("modified", "noise"):
        write_small_file(folder / f"{variant}.h5", truth, variant)
    publish(folder, today=date(2026, 1, 2))
    return truth, folder


def _blocks(folder: Path, kind: str, of: str) -> list[str]:
    """Code blocks of the card in this language that contain this word."""
    card = (folder / "README.md").read_text(encoding="utf-8")
    return [code for found, code in BLOCK.findall(card) if found == kind and re.search(rf"\b{of}\b", code)]


def _execute(code: str, capsys: pytest.CaptureFixture[str]) -> str:
    exec(compile(code, "README.md", "exec"), {"__name__": "__main__"})
    return capsys.readouterr().out


def _command(code: str) -> None:
    for line in code.splitlines():
        program, *arguments = shlex.split(line, comments=True)
        assert program == "perturb"
        app(arguments, standalone_mode=False)


@pytest.fixture
def inside(published: tuple[GroundTruth, Path], monkeypatch: pytest.MonkeyPatch) -> tuple[GroundTruth, Path]:
    monkeypatch.chdir(published[1])
    return published


def test_every_code_block_of_the_card_is_executed_by_a_test(published: tuple[GroundTruth, Path]) -> None:
    truth, folder = published
    words = ["DataLoader", "disent", "GroundTruthData", "tensorflow_datasets", "environ", "load_dataset"]
    python = [*_blocks(folder, "python", "attrs"), *(code for word in words for code in _blocks(folder, "python", word))]
    shell = [code for word in ("export", "to-tfds", "verify", "cache") for code in _blocks(folder, "sh", word)]
    assert sorted(python) == sorted(_blocks(folder, "python", "import"))
    assert sorted(shell) == sorted(_blocks(folder, "sh", "perturb"))
    has_class = truth.name != "mini"
    assert (len(python), len(shell)) == (6 + has_class, 3 + has_class)
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert {kind for kind, _ in BLOCK.findall(card)} == {"python", "sh", "toml", "bibtex"}
    assert "\n\n\n\n" not in card


def test_the_h5py_example_runs(inside: tuple[GroundTruth, Path], capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = _blocks(inside[1], "python", "attrs")
    assert _execute(code, capsys).startswith("modified 0.1 0.")


def test_the_torch_example_runs(inside: tuple[GroundTruth, Path], tmp_path: Path) -> None:
    """Run as a separate script, because data loader workers import it."""
    truth, folder = inside
    (code,) = _blocks(folder, "python", "DataLoader")
    (tmp_path / "reading.py").write_text(code, encoding="utf-8")
    script = [sys.executable, tmp_path / "reading.py"]
    done = subprocess.run(script, cwd=folder, capture_output=True, text=True, timeout=60)
    height, width, channels = truth.image_shape
    columns = truth.grid.num_factors + (truth.name == "dsprites")
    expected = f"torch.Size([64, {channels}, {height}, {width}]) torch.Size([64, {columns}])\n"
    assert (done.returncode, done.stdout) == (0, expected), done.stderr


def test_the_disent_example_runs(inside: tuple[GroundTruth, Path], capsys: pytest.CaptureFixture[str]) -> None:
    truth, folder = inside
    disent_data()
    (code,) = _blocks(folder, "python", "disent")
    height, width, channels = truth.image_shape
    assert _execute(code, capsys) == f"{truth.grid.num_images} torch.Size([{channels}, {height}, {width}])\n"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_hugging_face_datasets_example_runs_and_lists_exactly_the_benchmark_files(
    inside: tuple[GroundTruth, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every benchmark file is a config of the folder; index.json and croissant.json are not treated as data."""
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    datasets = pytest.importorskip("datasets")
    truth, folder = inside
    (code,) = _blocks(folder, "python", "load_dataset")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path)
    datasets.disable_progress_bars()
    shape = truth.image_shape if truth.layout == "shapes3d" else truth.image_shape[:2]
    assert _execute(code, capsys) == f"{truth.grid.num_images} {shape}\n"
    assert datasets.get_dataset_config_names(str(folder)) == [f"{truth.name}-modified", f"{truth.name}-noise"]
    noise = datasets.load_dataset(str(folder), f"{truth.name}-noise", split="train").with_format("numpy")
    images = images_of(truth, "noise", np.arange(truth.grid.num_images))
    key = "images" if truth.layout == "shapes3d" else "imgs"
    assert np.array_equal(np.asarray(noise[key][:]).reshape(images.shape), images)


def test_the_disentanglement_lib_example_runs(inside: tuple[GroundTruth, Path], capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("disentanglement_lib")
    truth, folder = inside
    (code,) = _blocks(folder, "python", "GroundTruthData")
    assert _execute(code, capsys) == f"{(64, *truth.image_shape)}\n"


def test_the_disentanglement_lib_class_example_runs(
    inside: tuple[GroundTruth, Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("disentanglement_lib")
    truth, folder = inside
    if truth.name == "mini":
        assert _blocks(folder, "python", "environ") == []
        return
    monkeypatch.setenv("DISENTANGLEMENT_LIB_DATA", "elsewhere")
    tensorflow_stands_in(monkeypatch)
    (exporting,), (code,) = _blocks(folder, "sh", "export"), _blocks(folder, "python", "environ")
    _command(exporting)
    capsys.readouterr()
    assert _execute(code, capsys) == f"{(1, *truth.image_shape)}\n"


def test_the_tfds_example_runs(inside: tuple[GroundTruth, Path], capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tensorflow_datasets")
    truth, folder = inside
    (preparing,), (code,) = _blocks(folder, "sh", "to-tfds"), _blocks(folder, "python", "tensorflow_datasets")
    _command(preparing)
    capsys.readouterr()
    total = truth.grid.num_images
    first = truth.grid.factors_of([total // 2])[0, 0]
    assert _execute(code, capsys) == f"{total} {truth.image_shape} {first}\n"


def test_the_config_example_opens_the_file(inside: tuple[GroundTruth, Path]) -> None:
    truth, folder = inside
    (code,) = _blocks(folder, "toml", "dataset")
    found = open_ground_truth(DatasetConfig.model_validate_json(json.dumps(tomllib.loads(code)["dataset"])))
    numbers = np.array([0, 77])
    assert np.array_equal(found.images(numbers), images_of(truth, "modified", numbers))


def test_the_caching_example_runs_and_states_the_size_of_the_cache(
    inside: tuple[GroundTruth, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    truth, folder = inside
    (code,) = _blocks(folder, "sh", "cache")
    _command(code)
    assert capsys.readouterr().out == "modified.h5.pixels\n"
    assert f"# {truth.images(np.arange(truth.grid.num_images)).nbytes:,} bytes" in code
    shutil.rmtree(folder / "modified.h5.pixels")


def test_the_download_and_rebuild_examples_reproduce_the_published_bytes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    folder, truth = tmp_path / "public", Mini()
    recipe = Recipe(
        dataset="mini", source=source(truth), variant="noise", epsilon=0.1, bound="reflect", noise_seed=3,
        config_hash="c0ffee", run="file-noise",
    )  # fmt: skip
    images_sha256 = write_from(recipe, folder / "noise.h5", truth, None, report=lambda done, total: None)
    made = Published(recipe=recipe, images_sha256=images_sha256, sha256=sha256_of(folder / "noise.h5"), versions={})
    write_json(folder / "noise.recipe.json", made.model_dump(mode="json"))
    publish(folder, today=date(2026, 1, 2))
    assert "`perturb dataset download mini-noise --from ADDRESS`" in (folder / "README.md").read_text(encoding="utf-8")
    with running_server(folder) as address:
        publish(folder, today=date(2026, 1, 2), url=address)
        (getting,), (making,) = _blocks(folder, "sh", "download"), _blocks(folder, "sh", "build")
        monkeypatch.chdir(tmp_path)
        _command(getting)
    monkeypatch.chdir(folder)
    _command(making)
    assert capsys.readouterr().out.endswith("again.h5\nEvery pixel is the published one.\n")
    published = (folder / "noise.h5").read_bytes()
    assert (tmp_path / "mini-noise.h5").read_bytes() == (folder / "again.h5").read_bytes() == published


def test_the_verification_example_runs(inside: tuple[GroundTruth, Path], capsys: pytest.CaptureFixture[str]) -> None:
    truth, folder = inside
    (code,) = _blocks(folder, "sh", "verify")
    hashing, verifying = code.splitlines()
    done = subprocess.run(shlex.split(hashing), capture_output=True, text=True, check=True)
    assert done.stdout.split()[0] == sha256_of(folder / "modified.h5")
    assert verifying == "perturb dataset verify modified.h5"
    if truth.name == "mini":  # the others are parts of grids, which can be verified only as a whole
        _command(verifying)
        assert "As promised" in capsys.readouterr().out


def test_the_header_has_the_metadata_that_the_hub_reads(published: tuple[GroundTruth, Path]) -> None:
    header = yaml.safe_load((published[1] / "README.md").read_text(encoding="utf-8").split("---\n")[1])
    assert header["license"] == "apache-2.0"
    assert header["size_categories"] == ["1K<n<10K" if published[0].name == "mini" else "n<1K"]
    assert header["tags"][-1] == published[0].name
    assert header["pretty_name"].endswith(", perturbed")


def test_the_card_lists_every_file_and_factor(published: tuple[GroundTruth, Path]) -> None:
    truth, folder = published
    lines = (folder / "README.md").read_text(encoding="utf-8").splitlines()
    for name, values in zip(truth.grid.names, truth.factor_values, strict=True):
        assert f"| {name} | {len(values)} | {values[0]:g} | {values[-1]:g} |" in lines
    for variant in ("modified", "noise"):
        path = folder / f"{variant}.h5"
        row = f"| {variant}.h5 | {variant} | 0.1 | 25 | {path.stat().st_size:,} | `{sha256_of(path)}` |"
        assert row in lines
        source = ", ".join(f"{key}={value}" for key, value in sorted(truth.provenance().items()))
        with h5py.File(path) as file:
            digest = file.attrs["images_sha256"]
        assert f"| {variant}.h5 | {source} | reflect | file-{variant} | c0ffee | 0.1.0 | {digest} |" in lines
    assert not any(line.startswith(("- **original**", "- **untrained**")) for line in lines)


def _listed(folder: Path, change: Callable[[Path], None] = lambda folder: None, **attributes: str) -> str:
    write_small_file(folder / "modified.h5", SmallSprites(), **attributes)
    change(folder)
    return render_card(list_folder(folder))


def test_text_from_a_file_cannot_escape_its_table_cell(tmp_path: Path) -> None:
    card = _listed(tmp_path, run="a | b\n```python\nboom\n```", recipe="x" * 1000)
    assert "| a \\| b \\`\\`\\`python boom \\`\\`\\` |" in card
    assert "in the file's attributes" in card
    assert "boom" not in "".join(code for kind, code in BLOCK.findall(card) if kind == "python")


def test_text_from_a_file_is_not_interpreted_as_markup(tmp_path: Path) -> None:
    image = "<img src=x onerror=alert(1)>"
    card = _listed(tmp_path, licence=f"{image}\n# mine", run=image)
    page = html_of(card.split("\n---\n", 1)[1])
    assert "<img" not in page
    assert "# mine" in page
    assert "<h1>mine" not in page


def test_a_files_licence_is_stated_and_a_missing_one_is_unknown(tmp_path: Path) -> None:
    for name, licence, header in (("a", "CC-BY-4.0", "cc-by-4.0"), ("b", "ask us first", "other")):
        card = _listed(tmp_path / name, licence=licence)
        assert f"\nlicense: {header}\n" in card
        assert f"\nLicence: {licence}." in card
    card = _listed(tmp_path / "c", dataset="discs", source="class=Discs, sha256=0, source=code")
    assert "\nlicense: unknown\n" in card
    assert "# discs, perturbed" in card
    assert "dataset verify" not in card
    assert "[dataset]" not in card
    assert "were rendered" not in card


def test_recipes_are_listed(tmp_path: Path) -> None:
    recipe = json.dumps({"file": "modified.h5"})
    card = _listed(tmp_path, lambda folder: (folder / "modified.recipe.json").write_text(recipe) and None)
    row = f"| modified.recipe.json | {len(recipe)} | `{sha256_of(tmp_path / 'modified.recipe.json')}` |"
    assert row in card.splitlines()


def test_every_reader_example_uses_the_files_white_value(tmp_path: Path) -> None:
    card = _listed(tmp_path, white=1)
    assert "image.mean() / 1," in card
    assert "# in [0, 1 / 255]" in card
    assert "because the class does not scale" not in card
