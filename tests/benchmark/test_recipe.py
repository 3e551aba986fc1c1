import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from perturb.benchmark.compare import compare
from perturb.benchmark.recipe import Network, Published, Recipe, build, read_recipe, weights_of, write_from
from perturb.benchmark.verify import verify_file
from perturb.config import PerturbationConfig
from perturb.datasets.hdf5.schema import source
from perturb.datasets.renderers.mini import Mini
from perturb.errors import UserError
from perturb.files import sha256_of, write_json
from perturb.perturbation.network import network_for
from perturb.perturbation.pattern import calibrate

PERTURBATION = PerturbationConfig(
    epsilon=0.25, generator="deconv", normalise_scalar=True, normalise_pattern=True, spread=1.0
)  # fmt: skip


def _publish(folder: Path, variant: str) -> Path:
    """Write file, recipe and weights of a variant of the mini scene and return the recipe's path."""
    truth, network, used = Mini(), None, None
    recipe_path = folder / f"{variant}.recipe.json"
    if variant == "modified":
        network = network_for(truth, PERTURBATION, architecture="conv32", generator=torch.Generator().manual_seed(0))
        calibrate(network, truth.grid)
        save_file(network.state_dict(), weights_of(recipe_path))
        used = Network(architecture="conv32", perturbation=PERTURBATION, sha256=sha256_of(weights_of(recipe_path)))
    recipe = Recipe(
        dataset="mini", source=source(truth), variant=variant, epsilon=0.0 if variant == "original" else 0.25,
        bound="reflect", noise_seed=2**63 + 1 if variant in ("noise", "matched_noise") else None, network=used,
        noise_levels=(-40, 40) if variant == "matched_noise" else None,
        config_hash="0" * 64, run="file-0",
    )  # fmt: skip
    path = folder / f"{variant}.h5"
    images_sha256 = write_from(recipe, path, truth, network, report=lambda done, total: None)
    published = Published(recipe=recipe, images_sha256=images_sha256, sha256=sha256_of(path), versions={})
    write_json(recipe_path, published.model_dump(mode="json"))
    return recipe_path


@pytest.fixture(scope="module")
def recipes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Published recipes by variant, each beside its file."""
    folder = tmp_path_factory.mktemp("recipes")
    return {variant: _publish(folder, variant) for variant in ("original", "noise", "matched_noise", "modified")}


@pytest.mark.parametrize("variant", ["original", "noise", "matched_noise", "modified"])
def test_a_recipe_reproduces_the_same_bytes(recipes: dict[str, Path], variant: str, tmp_path: Path) -> None:
    out = tmp_path / "again.h5"
    assert build(recipes[variant], out)
    assert sha256_of(out) == read_recipe(recipes[variant]).sha256
    assert compare(out, recipes[variant].with_name(f"{variant}.h5")).differing == 0
    assert verify_file(out).images == 4096


def test_a_file_states_what_it_was_made_from(recipes: dict[str, Path]) -> None:
    with h5py.File(recipes["modified"].with_name("modified.h5")) as file:
        said = dict(file.attrs)
    published = read_recipe(recipes["modified"])
    assert Recipe.model_validate_json(said["recipe"]) == published.recipe
    assert said["images_sha256"] == published.images_sha256
    assert said["licence"] == "Apache-2.0"
    assert "Zietlow" in said["citation"]
    assert said["torch_version"] == torch.__version__
    assert said["epsilon"] == 0.25


def test_recipes_without_matched_noise_keep_their_original_json_form(recipes: dict[str, Path]) -> None:
    assert "noise_levels" not in read_recipe(recipes["noise"]).recipe.model_dump_json()


def test_a_file_of_a_users_own_images_is_not_under_our_licence(tmp_path: Path) -> None:
    recipe = Recipe(
        dataset="mini", source="class=Mini, sha256=0, source=code", variant="original", epsilon=0.0, bound="reflect",
        config_hash="0" * 64, run="file-0",
    )  # fmt: skip
    write_from(recipe, tmp_path / "x.h5", Mini(), None, report=lambda done, total: None)
    with h5py.File(tmp_path / "x.h5") as file:
        assert file.attrs["licence"] == "unknown"


@pytest.mark.parametrize(
    "environment",
    [
        {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41", "MKL_ENABLE_INSTRUCTIONS": "SSE4_2"},
        {"OMP_NUM_THREADS": "1"},
    ],
    ids=["an older processor", "one thread"],
)
def test_on_other_hardware_pixels_differ_by_at_most_one_grey_level(
    recipes: dict[str, Path], environment: dict[str, str], tmp_path: Path
) -> None:
    out, code = (
        tmp_path / "elsewhere.h5",
        "import sys; from pathlib import Path; from perturb.benchmark.recipe import build; ",
    )
    code += "print(build(Path(sys.argv[1]), Path(sys.argv[2])))"
    subprocess.run(
        [sys.executable, "-c", code, recipes["modified"], out], env=os.environ | environment, check=True, timeout=120
    )
    found = compare(out, recipes["modified"].with_name("modified.h5"))
    assert found.largest <= 1
    assert found.differing / found.pixels < 1e-4
    verify_file(out)


def test_comparing_two_files_counts_differing_pixels(recipes: dict[str, Path]) -> None:
    original, noise = (recipes[variant].with_name(f"{variant}.h5") for variant in ("original", "noise"))
    with h5py.File(original) as a, h5py.File(noise) as b:
        change = np.abs(a["images"][:].astype(int) - b["images"][:])
    found = compare(original, noise)
    assert (found.images, found.pixels) == (4096, change.size)
    assert (found.differing, found.largest) == ((change > 0).sum(), change.max())


def _copied(recipes: dict[str, Path], folder: Path, variant: str = "modified") -> Path:
    recipe = recipes[variant]
    if variant == "modified":
        shutil.copy(weights_of(recipe), folder)
    return Path(shutil.copy(recipe, folder))


def _changed(path: Path, **changes: object) -> Path:
    said = json.loads(path.read_text())
    write_json(path, said | {"recipe": said["recipe"] | changes})
    return path


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"variant": "noise"}, "`recipe`: noise_seed must be given for noise, matched_noise, and for no other variant"),
        (
            {"variant": "original"},
            "`recipe`: network must be given for modified, untrained, redrawn_curve, redrawn_scalar, untrained_in_span, "
            "redrawn_curve_in_span, and for no other",
        ),
        (
            {"variant": "matched_noise", "noise_seed": 1, "network": None},
            "noise_levels must be given for matched_noise, and",
        ),
        ({"noise_levels": [0, 256]}, r"`recipe\.noise_levels.*256"),
        ({"epsilon": 0.5}, r"network.perturbation.epsilon must be the recipe's own epsilon = 0.5, because .*; got 0\.\d+"),
        ({"bound": "clip"}, "network.perturbation.bound must be the recipe's own bound = clip, because .*; got reflect"),
        ({"epsilon": 1.5}, "`recipe.epsilon`: input should be less than or equal to 1, got 1.5"),
        ({"extra": 1}, r"unknown key `recipe\.extra` \(value 1\); this is not a recipe of ours"),
        ({"source": "renderer=mini, source=renderer, version=0"}, "its originals must be renderer=mini, .*version=0, got"),
        (
            {"source": "path_name=x.h5, source=file"},
            "was made from path_name=x.h5, source=file; name that file with --origin",
        ),
        ({"dataset": "cats"}, "dataset must be among mini"),
    ],
)
def test_an_unusable_recipe_is_refused(recipes: dict[str, Path], tmp_path: Path, changes: dict, sentence: str) -> None:
    recipe = _changed(_copied(recipes, tmp_path), **changes)
    with pytest.raises(UserError, match=sentence):
        build(recipe, tmp_path / "out.h5")
    assert not (tmp_path / "out.h5").exists()


def test_an_invalid_recipe_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file; name a recipe"):
        read_recipe(tmp_path / "x.recipe.json")
    (tmp_path / "x.recipe.json").write_bytes(b"[" * 2_000)
    with pytest.raises(UserError, match=r"Invalid JSON.*this is not a recipe of ours"):
        read_recipe(tmp_path / "x.recipe.json")
    (tmp_path / "x.recipe.json").write_bytes(b" " * ((1 << 20) + 1))
    with pytest.raises(UserError, match="it has more than 1,048,576 bytes"):
        read_recipe(tmp_path / "x.recipe.json")


def test_missing_or_different_weights_are_refused(recipes: dict[str, Path], tmp_path: Path) -> None:
    recipe = _copied(recipes, tmp_path)
    weights = weights_of(recipe)
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(UserError, match=r"sha256 must be .*; download recipe and weights again"):
        build(recipe, tmp_path / "out.h5")
    weights.write_bytes(b"\xff" * 8 + b"{}")
    network = json.loads(recipe.read_text())["recipe"]["network"]
    _changed(recipe, network=network | {"sha256": sha256_of(weights)})
    with pytest.raises(UserError, match="does not hold the network of its recipe"):
        build(recipe, tmp_path / "out.h5")
    weights.unlink()
    with pytest.raises(UserError, match="the recipe needs its weights beside it"):
        build(recipe, tmp_path / "out.h5")
    assert not (tmp_path / "out.h5").exists()
