"""Instruments on external models with known decoders."""

import numpy as np
import pytest
import torch

from perturb.cli import main
from perturb.errors import UserError
from perturb.instruments import INSTRUMENTS, orthogonality
from perturb.instruments.instrument import Settings
from perturb.instruments.subject import subjects_of

AS_THEY_ARE = np.eye(3)
COLUMNS = np.linalg.qr(np.random.default_rng(0).normal(size=(48, 3)))[0] * [3.0, 2.0, 1.0]


class Known:
    """Encodes three pixels and decodes linearly, with orthogonal columns of distinct lengths."""

    def __init__(self, turn: np.ndarray = AS_THEY_ARE) -> None:
        self.columns = torch.from_numpy(COLUMNS @ turn).float()

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        return torch.stack([images[:, 0, 1, 1], images[:, 1, 8, 8], images[:, 2, -1, -1]], dim=1)

    def decode(self, codes: torch.Tensor) -> torch.Tensor:
        return codes @ self.columns.T


class Blind(Known):
    """A model like `Known` that has no decoder."""

    decode = None


class Rounding(Known):
    """A decoder that autograd cannot follow."""

    def decode(self, codes: torch.Tensor) -> torch.Tensor:
        return super().decode(codes).detach()


class Constant(Known):
    """Only one latent varies."""

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        return super().encode(images) * torch.tensor([1.0, 0.0, 0.0])


class Still(Known):
    """No latent varies."""

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        return torch.zeros(len(images), 3)


def turned() -> Known:
    """Return a `Known` model whose columns are turned by a random rotation."""
    return Known(np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0])


VARIANCES = 0.01, 0.04, 1.0


class Noisy(Known):
    """A VAE whose decoder draws 1/2 plus a linear image, with two precise latents and one that is pruned."""

    def __init__(self) -> None:
        super().__init__()
        self.directions = torch.from_numpy(0.01 * np.random.default_rng(2).normal(size=(3, 3, 32, 32))).float()

    def posterior(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return 4 * self.encode(images) * torch.tensor([1.0, 1.0, 0.0]), torch.log(torch.tensor([VARIANCES] * len(images)))

    def decode(self, codes: torch.Tensor) -> torch.Tensor:
        return 0.5 + torch.einsum("nl,lchw->nchw", codes, self.directions)


class Flattened(Noisy):
    """Its decoder returns flat images."""

    def decode(self, codes: torch.Tensor) -> torch.Tensor:
        return super().decode(codes).flatten(1)


class Closed(Noisy):
    """Its decoder cannot be differentiated."""

    def decode(self, codes: torch.Tensor) -> torch.Tensor:
        return super().decode(codes).detach()


class Meagre(Noisy):
    """It returns means only."""

    def posterior(self, images: torch.Tensor) -> torch.Tensor:
        return super().posterior(images)[0]


class Uneven(Noisy):
    """It returns one log variance for all images."""

    def posterior(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        means, logvars = super().posterior(images)
        return means, logvars[:1]


class Infinite(Noisy):
    """Its log variances are too large."""

    def posterior(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        means, logvars = super().posterior(images)
        return means, logvars + 1_000


def _numbers(instrument: str, name: str, settings: Settings) -> dict:
    subjects = subjects_of(f"{__name__}:{name}", INSTRUMENTS[instrument].takes, artifacts=settings.folder)
    (numbers,) = INSTRUMENTS[instrument].answer(subjects, settings).numbers.values()
    return numbers


def _distance(name: str, settings: Settings) -> tuple[float, str]:
    subjects = subjects_of(f"{__name__}:{name}", ["model"], artifacts=settings.folder)
    answer = orthogonality.answer(subjects, settings)
    (numbers,) = answer.numbers.values()
    return float(np.mean(numbers["distances"])), answer.verdict


@pytest.fixture
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(folder=tmp_path_factory.mktemp("out"), seeds=3, seed=0)


def test_orthogonal_columns_have_distance_zero_and_mixed_ones_do_not(settings: Settings) -> None:
    distance, verdict = _distance("Known", settings)
    assert distance == pytest.approx(0, abs=1e-3)
    assert "for random turns of its own columns; 1 of 1 models is nearer" in verdict
    assert _distance("turned", settings)[0] > 0.3


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("Blind", r"the model \(Blind\) has no decode\(codes\)"),
        ("Rounding", "decode cannot be differentiated"),
        ("Constant", "needs two latents that vary over images, got 1"),
    ],
)
def test_models_without_a_usable_decoder_are_refused(name: str, sentence: str, settings: Settings) -> None:
    with pytest.raises(UserError, match=sentence):
        _distance(name, settings)


def test_the_mig_of_an_external_model_is_shown_with_its_distance(settings: Settings) -> None:
    assert 0 < _numbers("orthogonality", "Known", settings)["mig"] < 1


def test_the_units_and_the_noise_of_an_external_vae_are_measured(settings: Settings) -> None:
    found = _numbers("polarized-regime", "Noisy", settings)
    assert found["posterior_variances"] == pytest.approx(VARIANCES)
    assert found["mean_variances"][2] == pytest.approx(0)
    assert found["polarized_for"] is None
    noise = float((Noisy().directions.flatten(1).square().sum(dim=1) * torch.tensor(VARIANCES)).sum())
    assert found["stochastic"] == pytest.approx(noise, rel=0.03)
    assert found["total"] == pytest.approx(found["deterministic"] + noise, rel=0.05)


def test_the_code_of_an_external_model_is_examined(settings: Settings) -> None:
    found = _numbers("rotated-or-curved", "Known", settings)
    assert set(found) == {"floor_hue", "wall_hue", "object_hue", "sky_hue"}
    assert all(0 <= held["latent"] <= held["line"] <= 1 for held in found.values())
    with pytest.raises(UserError, match="Still: no latent varies"):
        _numbers("rotated-or-curved", "Still", settings)


def test_a_linear_decoder_of_an_external_vae_is_found_linear(settings: Settings) -> None:
    found = _numbers("local-linearity", "Noisy", settings)
    assert found["jacobian"] == pytest.approx([0] * 16, abs=1e-6)
    assert found["predicted_by_jacobian"] == pytest.approx([1] * 16, abs=1e-3)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("Known", r"the model \(Known\) has no posterior\(images\), which returns means and log variances"),
        ("Flattened", r"decode must return images \(\d+, 3, 32, 32\) here, got \(\d+, 3072\)"),
        ("Meagre", "posterior must return two things, means and log variances, got Tensor"),
        ("Uneven", r"posterior must return means and log variances \(\d+, latents\) for \d+ images, got shapes"),
        ("Infinite", "posterior must return finite means and the logarithms of finite variances"),
    ],
)
@pytest.mark.parametrize("instrument", ["polarized-regime", "local-linearity"])
def test_a_vae_that_breaks_the_protocol_is_refused(name: str, sentence: str, instrument: str, settings: Settings) -> None:
    with pytest.raises(UserError, match=sentence):
        _numbers(instrument, name, settings)


def test_local_linearity_needs_a_decoder_that_can_be_differentiated(settings: Settings) -> None:
    with pytest.raises(UserError, match="decode cannot be differentiated"):
        _numbers("local-linearity", "Closed", settings)
    assert _numbers("polarized-regime", "Closed", settings)["stochastic"] > 0


def test_an_unknown_benchmark_is_refused(settings: Settings) -> None:
    with pytest.raises(UserError, match="BENCHMARK must be among mini, dsprites, shapes3d; got minis"):
        subjects_of(f"{__name__}:Known", ["model"], artifacts=settings.folder, benchmark="minis")


def test_the_command_accepts_a_factory(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path_factory.mktemp("mine")
    (folder / "mine.py").write_text(
        "import torch\n"
        "class Model:\n"
        "    def encode(self, images):\n        return images[:, :2, 3, 3]\n"
        "    def decode(self, codes):\n        return torch.sigmoid(codes).repeat(1, 8)\n"
    )
    monkeypatch.chdir(folder)
    with pytest.raises(SystemExit) as end:
        main(["analyse", "orthogonality", "mine:Model", "--seeds", "2", "--json", "-"])
    assert end.value.code == 0
    said = capsys.readouterr().out
    assert '"benchmark": "mini"' in said
