"""Instruments for trained models, on hand-made runs: untrained networks with given posterior variances and curves."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from mini_images import mini_pixels

from perturb.analysis.factor_directions import Held
from perturb.analysis.od_score import Deviations
from perturb.analysis.orthogonality import Orthogonality
from perturb.config import TrainingConfig
from perturb.config.objectives import AutoencoderConfig, BetaVAEConfig
from perturb.datasets.pixels import Pixels
from perturb.datasets.renderers.mini import Mini
from perturb.errors import UserError
from perturb.files import sha256_of
from perturb.instruments import INSTRUMENTS, Answer, Settings, od_score, orthogonality, rotated_or_curved
from perturb.instruments.od_score import Measured
from perturb.instruments.subject import Subjects, TrainedModel
from perturb.manifests import write_manifest
from perturb.report.holding import Holding
from perturb.training.curve import CURVE, write_curve
from perturb.training.saved_models import FILE_NAME, TrainingRun, new_model, save_weights

TRAINING = TrainingConfig(architecture="conv32", steps=40, batch_size=8)
IMAGES = Pixels(Mini().images(np.arange(0, 4096, 64)))


class MadeModel(TrainedModel):
    """A model whose images are not stored in a run."""

    @property
    def pixels(self) -> Pixels:
        """64 images of the mini scene."""
        return IMAGES


def made_model(
    folder: Path,
    label: str,
    *,
    seed: int,
    variances: list[float],
    objective: BetaVAEConfig | AutoencoderConfig,
    last: Mapping[str, float],
) -> MadeModel:
    """Write the finished run of a model with these posterior variances."""
    config = TrainingRun.model_validate(
        {"dataset": {"name": "mini"}, "objective": objective, "training": TRAINING, "latents": 4, "seed": seed}
    )
    model, run = new_model(config, channels=3, seeds=[seed], device="cpu"), folder / f"restart-{seed}"
    with torch.no_grad():
        head = model.networks["encoder"][-1].logvar
        head.weight.zero_()
        head.bias.copy_(torch.tensor([variances]).log())
    run.mkdir()
    save_weights(model.networks, run / FILE_NAME)
    write_curve(run / CURVE, [{"step": 20, **last, "delta_kl": 0.5}, {"step": 40, **last, "delta_kl": 0.01}])
    files = {name: {"bytes": (run / name).stat().st_size, "sha256": sha256_of(run / name)} for name in (FILE_NAME, CURVE)}
    result = {"steps": 40, "failure": None, "last": {"step": 40, **last}, "channels": 3}
    content = {"id": run.name, "kind": "restart", "label": label, "config": config.model_dump(mode="json")}
    write_manifest(run, content | {"result": result, "files": files, "inputs": {}})
    return MadeModel(label, run, scores={"mig": 0.1 * seed})


@pytest.fixture
def subjects(tmp_path: Path) -> Subjects:
    """A β-VAE with three active units, a β-VAE with one, and an autoencoder."""
    vae, plain = {"loss": 1.0, "kl": 1.0}, {"loss": 1.0}
    beta, none = BetaVAEConfig(beta=4.0), AutoencoderConfig()
    some = [
        made_model(tmp_path, "three", seed=1, variances=[0.1, 1.0, 0.2, 0.7], objective=beta, last=vae),
        made_model(tmp_path, "one", seed=2, variances=[1.0, 1.0, 0.2, 0.9], objective=beta, last=vae),
        made_model(tmp_path, "AE", seed=3, variances=[1.0, 1.0, 1.0, 1.0], objective=none, last=plain),
    ]
    return Subjects(kind="config", name="made.toml", trained=some)


def _analyse(name: str, subjects: Subjects, folder: Path) -> Answer:
    return INSTRUMENTS[name].answer(subjects, Settings(folder=folder, seeds=3, seed=0))


def test_orthogonality_is_measured_on_active_latents_and_compared_with_random_decoders(
    subjects: Subjects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "IMAGES", mini_pixels())
    answer = _analyse("orthogonality", subjects, tmp_path)
    assert list(answer.numbers) == ["three", "AE"]
    three, plain = answer.numbers["three"], answer.numbers["AE"]
    assert (three["active"], plain["active"]) == ([0, 2, 3], [0, 1, 2, 3])
    assert len(three["distances"]) == 100
    assert all(0 < distance <= np.sqrt(2 * 3) for distance in three["distances"])
    assert len(set(three["random_distances"])) == 3
    assert three["ratio"] > 1
    assert three["mig"] == pytest.approx(0.1)
    assert 0 <= three["disentanglement_score"] <= 1
    assert [line[0] for line in answer.section.tables[1].lines] == ["three", "AE"]
    assert answer.section.figures[0].path.is_file()
    nearer = sum(np.mean(one["distances"]) < np.mean(one["random_distances"]) for one in (three, plain))
    assert f"for random decoders at the same codes; {nearer} of 2 models" in answer.verdict


def test_the_polarized_regime_is_measured_for_models_with_a_kl_term(subjects: Subjects, tmp_path: Path) -> None:
    answer = _analyse("polarized-regime", subjects, tmp_path)
    assert list(answer.numbers) == ["three", "one"]
    three = answer.numbers["three"]
    assert three["posterior_variances"] == pytest.approx([0.1, 1.0, 0.2, 0.7], rel=1e-5)
    assert three["polarized_for"] == 0.5
    assert three["stochastic"] > 0
    assert three["total"] == pytest.approx(three["deterministic"], rel=0.01)
    assert answer.section.tables[0].lines[0][1][0].text == "3"
    assert answer.section.figures[0].path.is_file()
    assert "in 0 of 2 models" in answer.verdict


def test_the_od_score_needs_two_active_units_and_is_normalised_by_the_largest_deviation(
    subjects: Subjects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(od_score, "POINTS", 3)
    monkeypatch.setattr(od_score, "DRAWS", 20)
    monkeypatch.setitem(globals(), "IMAGES", mini_pixels())
    answer = _analyse("od-score", subjects, tmp_path)
    assert answer.numbers["correlations"] == {}
    ((label, three),) = answer.numbers["models"].items()
    assert (label, three["active"], three["od_score_among_trained"]) == ("three", 3, 1.0)
    assert three["d_u"] == pytest.approx(three["d_v"], rel=1e-6)
    assert 0 < three["dto"] <= np.sqrt(2 * 3)
    terms = np.array([[np.mean(three[key]) for key in ("d_u", "d_sigma", "d_v")], *three["random_terms"]])
    assert three["od_score"] == pytest.approx(np.mean(terms[0] / terms.max(axis=0)))
    assert three["random_od_score"] == pytest.approx(np.mean(terms[1:] / terms.max(axis=0)))
    assert 0 <= three["mig_sup"] <= 1
    assert answer.section.figures[0].path.is_file()
    assert "of 1 models score lower" in answer.verdict


def _measured(method: str, active: int, turned: float, mig: float) -> Measured:
    one = np.array([turned])
    found = Deviations(u=one, sigma=10 - one, v=one, lengths=one)
    scores = {"mig": mig, "mig_sup": mig}
    return Measured(method=method, active=active, trained=found, random=(found,), dto=turned, scores=scores)


def test_correlations_compare_models_with_equally_many_latents_overall_and_within_methods() -> None:
    first = [_measured("first", 4, turned, mig) for turned, mig in ((1, 0.8), (2, 0.9), (3, 0.6), (4, 0.7))]
    second = [_measured("second", 4, turned, mig) for turned, mig in ((5, 0.1), (6, 0.2), (7, 0.3), (8, 0.4))]
    models = [*first, *second, _measured("second", 3, 0.1, 0.0)]
    found = od_score.correlations_of(models, od_score.scored_models(models))
    squares = 6**2 + 6**2 + 2**2 + 2**2 + 4**2 + 4**2 + 4**2 + 4**2
    assert found["d_U = d_V"]["mig"] == pytest.approx(1 - 6 * squares / (8 * 63))
    assert found["d_Σ"]["mig"] == pytest.approx(-found["d_U = d_V"]["mig"])
    assert found["DtO of J"]["dto"] == pytest.approx(1)
    assert found["d_U = d_V"]["mig_within_methods"] == pytest.approx((-0.6 + 1) / 2)
    assert od_score.correlations_of(models[:3], od_score.scored_models(models[:3])) == {}


def _of_distance(distance: float, mig: float, ds: float, *, active: int) -> orthogonality.Found:
    """Return a model with this DtO at one point, whose control has a DtO of 1."""

    def at(value: float) -> Orthogonality:
        empty = np.zeros((1, active))
        return Orthogonality(
            units=tuple(range(active)),
            vectors=empty,
            singular=empty,
            distances=np.array([value]),
            cosines=empty,
            deficits=empty,
        )

    return orthogonality.Found(method="some", trained=at(distance), random=(at(1.0),), mig=mig, ds=ds)


def test_distances_are_correlated_with_scores_among_models_with_equally_many_latents() -> None:
    found = {f"{k}": _of_distance(0.1 * k, 1 - 0.1 * k, 0.1 * k, active=4) for k in range(1, 6)}
    verdict = orthogonality.verdict(found | {"other": _of_distance(2.0, 1.0, 0.0, active=3)}, "others")
    assert verdict.startswith("DtO is 0.58 on average, and 1.00 for others; 5 of 6 models are nearer")
    assert "correlation with MIG is −1.00, and with DS +1.00, over the 5 models with 4 active latents" in verdict
    assert "correlation" not in orthogonality.verdict({k: found[k] for k in "123"}, "others")


@pytest.mark.parametrize(
    ("name", "chosen", "lacking"),
    [
        ("orthogonality", 1, "two active latents"),
        ("od-score", 1, "two active latents"),
        ("posterior-precision", 1, "two active latents"),
        ("polarized-regime", 2, "a VAE with a diagonal posterior"),
    ],
)
def test_unsuitable_models_are_refused(name: str, chosen: int, lacking: str, subjects: Subjects, tmp_path: Path) -> None:
    only = Subjects(kind="run", name="made", trained=[subjects.trained[chosen]])
    with pytest.raises(UserError, match=f"made: no finished training .*{lacking}"):
        _analyse(name, only, tmp_path)


def test_codes_are_told_apart_by_how_they_hold_each_factor(
    subjects: Subjects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "IMAGES", mini_pixels())
    answer = _analyse("rotated-or-curved", subjects, tmp_path)
    assert list(answer.numbers) == ["three", "one", "AE"]
    for held in answer.numbers["three"].values():
        assert 0 <= held["latent"] <= held["line"] <= 1
    assert len(answer.section.tables[0].lines) == 3 * 4
    assert answer.verdict.startswith("Factors in the codes. three: original ")
    assert answer.section.figures[0].path.is_file()


def _of_kinds(variant: str, *kinds: tuple[float, float, float]) -> Holding:
    return Holding("β-VAE", variant, {str(k): Held(*numbers) for k, numbers in enumerate(kinds)})


def test_the_verdict_counts_factors_by_variant(tmp_path: Path) -> None:
    own, rotated, curved, missing = (0.95, 0.99, 0.9), (0.5, 0.99, 0.9), (0.5, 0.7, 0.9), (0.0, 0.1, 0.1)
    found = [_of_kinds("original", own, own, own, rotated), _of_kinds("modified", rotated, rotated, curved, missing)]
    assert rotated_or_curved.verdict_of(found) == (
        "Factors in the codes. β-VAE: original 75% own latent and 25% rotated; modified 50% rotated, 25% curved and 25% "
        "missing."
    )
    rotated_or_curved.draw_shares(tmp_path / "shares.png", found)
    assert (tmp_path / "shares.png").stat().st_size > 0


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize(
    "name", ["orthogonality", "polarized-regime", "local-linearity", "od-score", "posterior-precision", "rotated-or-curved"]
)
def test_every_instrument_of_trained_models_runs_on_a_gpu(
    name: str, subjects: Subjects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "IMAGES", mini_pixels())
    settings = Settings(folder=tmp_path, seeds=2, seed=0, device="cuda")
    assert INSTRUMENTS[name].answer(subjects, settings).numbers
