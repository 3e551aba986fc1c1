"""`import perturb` offers the public names and loads each on first use."""

import subprocess
import sys

import pytest

import perturb
from perturb.datasets import FactorGrid, GroundTruth
from perturb.external import benchmark, load_benchmark
from perturb.metrics import Coded, score, score_encoder


def test_public_names_are_those_of_the_packages() -> None:
    found = {name: getattr(perturb, name) for name in perturb.__all__}
    assert found == {
        "__version__": perturb.__version__, "load_benchmark": load_benchmark, "evaluate_model": benchmark, "score": score,
        "score_encoder": score_encoder, "Coded": Coded, "GroundTruth": GroundTruth, "FactorGrid": FactorGrid,
    }  # fmt: skip
    assert set(perturb.__all__) == {"__version__", *perturb._PUBLIC} <= set(dir(perturb))


def test_an_unknown_attribute_raises_pythons_usual_error() -> None:
    with pytest.raises(AttributeError, match="module 'perturb' has no attribute 'blur'"):
        perturb.blur  # noqa: B018


def test_importing_perturb_imports_no_subpackage() -> None:
    code = "import perturb, sys; assert not [m for m in sys.modules if m == 'torch' or m.startswith('perturb.')]"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_the_old_package_name_works_with_a_warning() -> None:
    import perturb.outside

    with pytest.warns(DeprecationWarning, match=r"perturb\.outside is now called perturb\.external; import load_benchmark"):
        assert perturb.outside.load_benchmark is load_benchmark
    with pytest.raises(AttributeError, match="has no attribute 'blur'"):
        perturb.outside.blur  # noqa: B018
