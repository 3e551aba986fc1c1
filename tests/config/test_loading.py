import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from changed_configs import differences, replaced
from pydantic import ValidationError

from perturb.config import ExperimentConfig, config_hash, load_experiment, with_methods
from perturb.config.objectives import BetaVAEConfig
from perturb.errors import UserError

CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("*.toml"))
AUTOENCODER = 'objective = { kind = "autoencoder" }'
BETA_VAE = 'objective = { kind = "beta_vae", beta = 4.0 }'


def _error(path: Path, changes: Sequence[str] = ()) -> str:
    """The error for a file, which must be one line that starts with the path."""
    with pytest.raises(UserError) as caught:
        load_experiment(path, changes)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    return message


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_configs_shipped_with_perturb_load(path: Path) -> None:
    assert load_experiment(path).name == path.stem.removesuffix("_short"), "short configs are published under the same name"


def test_configs_are_shipped_with_perturb() -> None:
    assert "quickstart" in [path.stem for path in CONFIGS]


def test_given_values_are_used_and_omitted_ones_take_their_defaults(tiny: ExperimentConfig) -> None:
    assert (tiny.name, tiny.training.steps, tiny.perturbation.epsilon) == ("tiny", 12, 0.175)
    assert [method.objective.kind for method in tiny.evaluation.methods] == ["beta_vae", "autoencoder"]
    assert (tiny.training.latents, tiny.metrics.mig.num_bins, tiny.selection.metric) == (None, 20, "mig")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("seed = 1", "sead = 1", "unknown key `sead` (value 1)"),
        ('name = "mini"', 'name = "mini"\ncolour = 3', "unknown key `dataset.colour` (value 3)"),
        ("steps = 12", 'steps = "12"', "`training.steps`: input should be a valid integer, got '12'"),
        ("steps = 12", "steps = 12.0", "`training.steps`: input should be a valid integer, got 12.0"),
        ("steps = 12", "steps = 0", "`training.steps`: input should be greater than or equal to 1, got 0"),
        ("normalise_scalar = true", "normalise_scalar = 1", "`perturbation.normalise_scalar`: input should be a valid bool"),
        ("epsilon = 0.175", 'epsilon = "0.1"', "`perturbation.epsilon`: input should be a valid number, got '0.1'"),
        ("epsilon = 0.175", "epsilon = 0", "`perturbation.epsilon`: input should be greater than 0, got 0"),
        ("epsilon = 0.175", "epsilon = 1", "`perturbation.epsilon`: input should be less than 1, got 1"),
        ("epsilon = 0.175", "epsilon = -0.1", "`perturbation.epsilon`: input should be greater than 0, got -0.1"),
        ("epsilon = 0.175", "epsilon = 1.5", "`perturbation.epsilon`: input should be less than 1, got 1.5"),
        ("epsilon = 0.175", "epsilon = nan", "`perturbation.epsilon`: input should be a finite number, got nan"),
        ("epsilon = 0.175\n", "", "key `perturbation.epsilon` is missing"),
        ("num = 2", "", "key `restarts.num` is missing"),
        ('name = "mini"', 'name = "c"', "`dataset.name`: input should be 'mini', 'mini_closed', 'dsprites', 'shapes3d', "),
        (
            'name = "mini"', 'name = "cars3d"',
            "dataset.path must name the official file or folder of cars3d, because perturb has no renderer of it",
        ),
        ("[metrics.mig]", '[collapse2]\naction = "warn"\n[metrics.mig]', "unknown key `collapse2` (value {'action'"),
        ("max_unit_variance = 100.0", 'metric = "fid"', "`selection.metric`: input should be 'mig', 'dci', "),
        ("seeds = 2", 'seeds = 2\nmetrics = ["fid"]', "`evaluation.metrics.0`: input should be 'mig', 'dci', "),
        ("num = 2", 'num = 2\nobjective.kind = "ae"', "tags: 'beta_vae', 'falling_beta_vae', got {'kind': 'ae'}"),
        ('name = "tiny"', 'name = "Tiny Try"', "`name`: string should match pattern"),
        ('name = "tiny"', f'name = "{"t" * 81}"', "`name`: string should have at most 80 characters, got 't"),
        ('name = "AE"', r'name = "A\nE"', "`evaluation.methods.1.name`: must be one line of printable characters"),
        ('name = "AE"', f'name = "{"A" * 81}"', "`evaluation.methods.1.name`: string should have at most 80 characters"),
        ("seeds = 2", "seeds = 1", "`evaluation.seeds`: input should be greater than or equal to 2, got 1"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_reported_with_file_key_rule_and_value(tiny_toml: Path, old: str, new: str, expected: str) -> None:
    assert expected in _error(replaced(tiny_toml, old, new))


def test_further_problems_are_counted(tiny_toml: Path) -> None:
    replaced(replaced(tiny_toml, "epsilon = 0.175", "epsilon = 2.0"), "seeds = 2", "seeds = 1")
    assert "(1 more after it)" in _error(tiny_toml)


def test_an_unknown_objective_is_reported_with_the_known_ones(tiny_toml: Path) -> None:
    message = _error(replaced(tiny_toml, AUTOENCODER, 'objective = { kind = "gan" }'))
    for part in ("evaluation.methods.1.objective", "kind", "'beta_vae'", "'autoencoder'", "'gan'"):
        assert part in message


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            AUTOENCODER,
            'objective = { kind = "autoencoder", beta = 3.0 }',
            "unknown key `evaluation.methods.1.objective.beta` (value 3.0)",
        ),
        (
            BETA_VAE,
            'objective = { kind = "beta_vae", beta = -4.0 }',
            "`evaluation.methods.0.objective.beta`: input should be greater than or equal to 0, got -4.0",
        ),
    ],
    ids=["unknown", "out of range"],
)
def test_a_key_of_an_objective_is_named_as_in_the_file(tiny_toml: Path, old: str, new: str, expected: str) -> None:
    assert expected in _error(replaced(tiny_toml, old, new))


def test_too_few_restarts_for_the_selection_are_reported_with_both_numbers(tiny_toml: Path) -> None:
    message = _error(replaced(tiny_toml, "[selection]", "[selection]\nkeep = 2"))
    assert "restarts.num must be at least 2 × selection.keep = 4" in message
    assert "it is 2" in message


def test_methods_with_the_same_name_are_reported_with_the_name(tiny_toml: Path) -> None:
    message = _error(replaced(tiny_toml, 'name = "AE"', 'name = "β-VAE"'))
    assert "methods must have different names" in message
    assert "evaluation" in message
    assert message.count("β-VAE") == 1


@pytest.mark.parametrize(
    ("variants", "value"),
    [
        ('["modified", "original"]', "modified"),
        ('["noise"]', "noise"),
        ('["original", "untrained", "untrained"]', "untrained"),
    ],
    ids=["another first", "original absent", "one twice"],
)
def test_variants_that_repeat_or_do_not_start_with_original_are_refused(tiny_toml: Path, variants: str, value: str) -> None:
    message = _error(replaced(tiny_toml, '["original", "modified", "noise", "untrained"]', variants))
    assert "evaluation" in message
    assert "variants must begin with 'original'" in message
    assert "name each once" in message
    assert value in message


def test_an_empty_list_of_variants_is_refused(tiny_toml: Path) -> None:
    message = _error(replaced(tiny_toml, '["original", "modified", "noise", "untrained"]', "[]"))
    assert "variants must begin with 'original'" in message


def test_an_unknown_variant_is_reported_with_the_known_ones(tiny_toml: Path) -> None:
    message = _error(replaced(tiny_toml, '"noise"', '"blur"'))
    assert "untrained_in_span, redrawn_curve_in_span; got blur" in message


def test_a_control_in_the_span_of_the_images_needs_a_coarse_generator(tiny_toml: Path) -> None:
    text = tiny_toml.read_text(encoding="utf-8").replace('"untrained"]', '"untrained_in_span"]')
    tiny_toml.write_text(text, encoding="utf-8")
    assert "untrained_in_span" in load_experiment(tiny_toml).evaluation.variants
    message = _error(replaced(tiny_toml, 'generator = "coarse"', 'generator = "deconv"'))
    assert 'perturbation.generator must be "coarse" for untrained_in_span' in message
    assert 'it is "deconv"' in message


def test_a_line_search_on_a_control_in_the_span_needs_a_coarse_generator_too(tiny_toml: Path) -> None:
    text = tiny_toml.read_text(encoding="utf-8").replace('generator = "coarse"', 'generator = "deconv"')
    tiny_toml.write_text(text + '\n[search]\nvariants = ["original", "untrained_in_span"]\n', encoding="utf-8")
    assert 'must be "coarse" for untrained_in_span' in _error(tiny_toml)


@pytest.mark.parametrize(
    ("change", "meant"),
    [
        ("restart=3", "restarts"),
        ("training.step=3", "steps"),
        ("perturbation.alignment.prices=2.0", "price"),
        ("metrics.dci.tree=3", "trees"),
    ],
)
def test_an_unknown_key_is_reported_with_the_closest_known_one(tiny_toml: Path, change: str, meant: str) -> None:
    key = change.partition("=")[0]
    assert f"unknown key `{key}`" in (said := _error(tiny_toml, [change]))
    assert f"(did you mean {meant}?); remove it or correct its name" in said


def test_the_suggestion_for_an_objectives_key_is_one_of_that_objectives_keys(tiny_toml: Path) -> None:
    path = replaced(
        tiny_toml, 'objective = { kind = "beta_vae", beta = 4.0 }', 'objective = { kind = "beta_vae", betta = 4.0 }'
    )
    assert "objective.betta` (value 4.0) (did you mean beta?)" in _error(path)


def test_a_toml_date_is_not_accepted_as_a_string(tiny_toml: Path) -> None:
    assert "`evaluation.methods.1.name`" in _error(replaced(tiny_toml, 'name = "AE"', "name = 2020-01-01"))


def test_a_toml_syntax_error_is_reported_with_its_line(tiny_toml: Path) -> None:
    message = _error(replaced(tiny_toml, "[dataset]", "[dataset"))
    assert "not a TOML file" in message
    assert "line 5" in message


def test_bytes_that_are_not_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_bytes(b"\x89HDF\r\n\x1a\n\xff")
    assert "a.toml: cannot be read (it is not UTF-8, at byte 0)" in _error(tmp_path / "a.toml")


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    assert "no such file" in _error(tmp_path / "absent.toml")


def test_a_path_below_a_file_is_reported(tiny_toml: Path) -> None:
    _error(tiny_toml / "absent.toml")


def test_a_folder_in_place_of_a_file_is_reported(tmp_path: Path) -> None:
    assert "is a folder; name a TOML file, such as those in configs/ of perturb's repository" in _error(tmp_path)


def test_configs_are_frozen(tiny: ExperimentConfig) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        tiny.seed = 3
    with pytest.raises(ValidationError, match="frozen"):
        tiny.training.steps = 3


def test_a_config_does_not_depend_on_the_order_and_formatting_of_its_file(
    tmp_path: Path, tiny_toml: Path, tiny: ExperimentConfig
) -> None:
    lines = tiny_toml.read_text(encoding="utf-8").replace("spread = 1.0", "spread = 1")
    head, *sections = lines.split("\n\n")
    table = next(i for i, section in enumerate(sections) if section.startswith("[[evaluation.methods]]"))
    moved = [head, *sections[:table][::-1], *sections[table:]]
    reversed_keys = [_keys_reversed(section) for section in moved]
    other = tmp_path / "other.toml"
    other.write_text("# a comment\n" + "\n\n".join(reversed_keys), encoding="utf-8")
    assert other.read_text(encoding="utf-8") != tiny_toml.read_text(encoding="utf-8")
    assert load_experiment(other) == tiny
    assert config_hash(load_experiment(other)) == config_hash(tiny)


def _keys_reversed(section: str) -> str:
    """A section of a TOML file with its lines in reverse order below the heading."""
    lines = section.strip().splitlines()
    heading = [line for line in lines if line.startswith("[")]
    return "\n".join(heading + [line for line in lines[::-1] if not line.startswith("[")])


def test_spelling_out_a_default_does_not_change_the_hash(tiny_toml: Path, tiny: ExperimentConfig) -> None:
    explicit = load_experiment(replaced(tiny_toml, "num_train = 500", "num_train = 500\nnum_bins = 20"))
    assert config_hash(explicit) == config_hash(tiny)


def test_settings_given_on_the_command_line_override_the_file(tiny_toml: Path, tiny: ExperimentConfig) -> None:
    given = ["restarts.num=5", "training.precision = bfloat16", "dataset.name='mini'", "metrics.mig.num_bins=10"]
    assert differences(tiny, load_experiment(tiny_toml, given)) == {
        "restarts.num": 5,
        "training.precision": "bfloat16",
        "metrics.mig.num_bins": 10,
    }


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("restarts.num", "--set must be KEY=VALUE, for example restarts.num=3, got restarts.num."),
        ("=3", "--set must be KEY=VALUE, for example restarts.num=3, got =3."),
        ("restarts.many=3", "unknown key `restarts.many` (value 3)"),
        (
            "restarts.num=few",
            "`restarts.num`: input should be a valid integer, ",
        ),
        ("restarts=3", "`restarts`: "),
    ],
)
def test_settings_given_on_the_command_line_are_validated_like_the_files(tiny_toml: Path, given: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        load_experiment(tiny_toml, [given])
    assert message in str(caught.value)


def test_any_change_changes_the_hash(tiny: ExperimentConfig) -> None:
    raw = tiny.model_dump(mode="json")
    changes = {
        ("name",): "other",
        ("seed",): 2,
        ("dataset", "name"): "dsprites",
        ("dataset", "path"): "/data/a.npz",
        ("training", "architecture"): "conv64",
        ("training", "latents"): 7,
        ("training", "learning_rate"): 0.0010000001,
        ("training", "precision"): "bfloat16",
        ("restarts", "num"): 3,
        ("restarts", "objective", "beta"): 8.5,
        ("selection", "max_unit_variance"): 0.1,
        ("perturbation", "form"): "literal",
        ("perturbation", "spread"): None,
        ("perturbation", "normalise_scalar"): False,
        ("collapse", "action"): "fail",
        ("evaluation", "variants"): ["original", "noise", "modified", "untrained"],
        ("evaluation", "methods"): raw["evaluation"]["methods"][::-1],
        ("metrics", "mig", "num_bins"): 21,
    }
    hashes = [config_hash(tiny)]
    for keys, value in changes.items():
        other = json.loads(json.dumps(raw))
        place = other
        for key in keys[:-1]:
            place = place[key]
        assert place[keys[-1]] != value
        place[keys[-1]] = value
        hashes.append(config_hash(ExperimentConfig.model_validate_json(json.dumps(other))))
    assert len(set(hashes)) == len(changes) + 1


def test_the_hash_is_the_sha256_of_the_canonical_json() -> None:
    # sha256 of {"beta":8.0,"kind":"beta_vae"}
    assert config_hash(BetaVAEConfig(beta=8)) == "e17cdccb7383b1a4c8d0d25614fa225ac15d70b66f75c73f86eb1c7aa928a7de"


def test_a_dumped_config_loads_as_an_equal_one(tiny: ExperimentConfig) -> None:
    assert ExperimentConfig.model_validate_json(tiny.model_dump_json()) == tiny


@pytest.mark.parametrize("written", ["data/a.npz", "../tiny_data/a.npz"])
def test_a_relative_data_path_is_relative_to_the_config_file(
    tmp_path: Path, tiny_toml: Path, monkeypatch: pytest.MonkeyPatch, written: str
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    config = load_experiment(replaced(tiny_toml, 'name = "mini"', f'name = "dsprites"\npath = "{written}"'))
    assert config.dataset.path == (tmp_path / written).resolve()
    assert load_experiment(Path("..") / tiny_toml.name) == config


def test_an_absolute_data_path_is_kept(tiny_toml: Path) -> None:
    config = load_experiment(replaced(tiny_toml, 'name = "mini"', 'name = "dsprites"\npath = "/data/a.npz"'))
    assert config.dataset.path == Path("/data/a.npz")


def test_loading_an_experiment_does_not_import_torch(tiny_toml: Path) -> None:
    code = (
        "import sys, pathlib, perturb.config\n"
        "perturb.config.scaled_down(perturb.config.load_experiment(pathlib.Path(sys.argv[1])), 0.5)\n"
        "sys.exit('torch was imported' if 'torch' in sys.modules else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tiny_toml)], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_chosen_methods_are_kept_in_the_files_order(tiny: ExperimentConfig) -> None:
    assert [m.name for m in with_methods(tiny, ["AE", "β-VAE"]).evaluation.methods] == ["β-VAE", "AE"]
    assert [m.name for m in with_methods(tiny, ["AE"]).evaluation.methods] == ["AE"]


def test_the_largest_epsilon_is_taken_over_all_evaluated_variants(tiny_toml: Path) -> None:
    text = tiny_toml.read_text(encoding="utf-8")
    form = '\n[alternatives.strong]\nform = "residual"\nepsilon = 0.5\ngenerator = "coarse"\n'
    for variants, epsilon in (('"untrained"]', 0.175), ('"untrained", "strong"]', 0.5)):
        tiny_toml.write_text(text.replace('"untrained"]', variants) + form, encoding="utf-8")
        assert load_experiment(tiny_toml).largest_epsilon == epsilon
