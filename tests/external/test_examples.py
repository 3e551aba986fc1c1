"""The worked examples with short trainings, and the built-in method through the same interface."""

import importlib.util
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import torch

from perturb.config import ExperimentConfig, load_experiment
from perturb.entries.packaged import published_entries
from perturb.experiment.plan import plan_experiment
from perturb.external import Training, benchmark
from perturb.runs import Store
from perturb.statistics.saved_scores import ScoresResult
from perturb.variants import VariantPattern

ROOT = Path(__file__).parent.parent.parent
EXAMPLES = ROOT / "examples"
PAIR = ("original", "modified")


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Use one thread: the rounding of sums depends on their number."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_a_plain_pytorch_module_is_trained_and_scored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(EXAMPLES / "plain_pytorch")
    training = Training(steps=20, batch_size=16, learning_rate=1e-3)
    result = benchmark("my_vae:make", "mini", variants=PAIR, seeds=1, training=training, quiet=True)
    assert result.failures == []
    assert (result.entry.model, result.entry.method, result.entry.how) == ("MyVAE", "A β-VAE in plain PyTorch", "loop")
    assert result.entry.settings["beta"] == 16.0
    methods = [entry.model for entry in published_entries() if entry.dataset.name == "mini"]
    assert [row.method for row in result.all_rows] == [name for name in (*methods, "MyVAE") for _ in PAIR]


def test_codes_computed_with_numpy_are_scored_from_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(EXAMPLES / "numpy_codes")
    from pca import write_codes

    write_codes(tmp_path / "PCA", PAIR)
    result = benchmark(tmp_path / "PCA", "mini", way="codes", variants=PAIR, quiet=True)
    assert result.sentence.startswith("PCA reaches a MIG of 0.8")
    assert {row.variant: row.mean > 0.6 for row in result.rows} == {"original": True, "modified": False}


def test_pca_and_ica_from_scikit_learn_are_fitted_and_scored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(EXAMPLES / "scikit_learn")
    for name in ("pca", "ica"):
        result = benchmark(f"linear:{name}", "mini", variants=PAIR, seeds=1, quiet=True)
        assert result.failures == []
        kept = {row.variant: row.mean for row in result.rows}
        assert kept["modified"] < kept["original"] - 0.1 if name == "pca" else kept["original"] > 0.1


@pytest.mark.parametrize(("package", "folder"), [("lightning", "lightning_module"), ("pythae", "pythae_model")])
def test_models_of_other_packages_are_trained_unchanged(package: str, folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed: pip install {package}")
    monkeypatch.syspath_prepend(EXAMPLES / folder)
    result = benchmark(f"short_trainings:{package}", "mini", variants=PAIR[:1], seeds=1, quiet=True)
    assert result.failures == []
    assert (result.entry.model, result.entry.how) == (f"{package.title()}VAE", "fit")


@pytest.mark.slow
def test_the_built_in_method_reproduces_the_experiments_scores_exactly(
    tiny: ExperimentConfig, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_thread: None
) -> None:
    plan = plan_experiment(tiny)
    wanted = {variant: plan.evaluations["β-VAE", VariantPattern(variant), 0] for variant in PAIR}
    store.ensure_all(list(wanted.values()))
    for variant in PAIR:
        file = plan.files[VariantPattern(variant)]
        store.ensure(file)
        shutil.copy(store.path(file) / f"{variant}.h5", tmp_path)
    monkeypatch.syspath_prepend(EXAMPLES / "built_in")
    from beta_vae import BuiltIn

    method = next(method for method in tiny.evaluation.methods if method.name == "β-VAE")
    result = benchmark(
        partial(BuiltIn, method.objective, tiny.training),
        tmp_path,
        variants=PAIR,
        seeds=1,
        seed=tiny.seed,
        settings=tiny.metrics,
        workers=torch.multiprocessing.cpu_count(),
        quiet=True,
    )
    expected = {variant: store.result(spec, ScoresResult).scores for variant, spec in wanted.items()}
    assert {run.variant: run.scores for run in result.entry.runs} == expected
    assert result.entry.dataset.name == "mini, own files"


def test_the_built_in_example_is_the_studys_method(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(EXAMPLES / "built_in")
    import beta_vae

    study = load_experiment(ROOT / "configs" / "mini.toml")
    (entry,) = [entry for entry in published_entries() if (entry.dataset.name, entry.model) == ("mini", "β-VAE")]
    assert (study.seed, study.training) == (entry.seed, beta_vae.TRAINING)
    assert beta_vae.make().settings == entry.settings
    (method,) = [method for method in study.evaluation.methods if method.name == "β-VAE"]
    assert method.objective == beta_vae.make().objective
