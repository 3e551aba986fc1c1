"""The scripts in benchmarks/ still work with the package: one step of what they time."""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from perturb.datasets.pixels import Pixels
from perturb.datasets.renderers.mini import Mini

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def script(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A script by its name, able to import the modules beside it."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    spec = spec_from_file_location(f"benchmark_{request.param}", BENCHMARKS / f"{request.param}.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("script", ["training"], indirect=True)
def test_the_engine_and_the_plain_loop_take_a_step(script: ModuleType) -> None:
    images = Mini().images(np.arange(64))
    script.engine_step(2, Pixels(images))(1)
    script.plain_loop(np.repeat(np.repeat(images, 2, axis=1), 2, axis=2), 4)()


@pytest.mark.parametrize("script", ["metrics"], indirect=True)
def test_the_model_whose_scoring_is_timed_is_trained(script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels, weights = Pixels(np.zeros((8, 64, 64, 1), dtype=np.uint8)), []
    for steps in (0, 2):
        monkeypatch.setattr(script, "STEPS", steps)
        model = script.trained_model(pixels, script.FactorGrid(("image",), (8,)), "float32")
        weights.append(torch.cat([values.flatten() for values in model.networks.parameters()]))
    assert not torch.equal(*weights)
