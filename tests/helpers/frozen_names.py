"""Names that determine numbers or identity: renaming one of them changes published numbers, hashes or files.

`python tests/helpers/frozen_names.py` writes them to tests/frozen_names.json. Do so only for an intended change, and state
in the commit what it invalidates.
"""

import ast
import hashlib
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import torch
from pydantic import TypeAdapter
from small_files import SmallShapes, write_small_file

import perturb
from perturb.benchmark.recipe import Published
from perturb.config import ExperimentConfig, ObjectiveConfig, PerturbationConfig, TrainingConfig, load_experiment
from perturb.datasets.renderers.mini import Mini
from perturb.entries.entry import Entry
from perturb.experiment.plan import plan_experiment
from perturb.objectives import OBJECTIVES
from perturb.perturbation.network import network_for
from perturb.runs import RunSpec

ROOT = Path(__file__).parents[2]
FILE = ROOT / "tests" / "frozen_names.json"
SEEDED = ("child_seed", "numpy_generator", "torch_generator")
DRAWN = ("uniform", "normal", "integers", "permutations")
NEEDED = {
    "falling_beta_vae": {"first_beta": 8.0, "hold": 1, "fall": 2},
}
"""Fields of a method's config that have no default."""
CONFIGS = [ROOT / "configs" / f"{name}.toml" for name in ("dsprites", "mini", "mini_controls", "mini_forms", "quickstart")]


def frozen_names() -> dict[str, Any]:
    """Everything that is pinned, as JSON values."""
    return {
        "random streams": sorted(set(_streams())),
        "runs": {path.stem: _runs(load_experiment(path)) for path in CONFIGS},
        "tensors": _tensors(),
        "keys of recipes": _keys(Published.model_json_schema()),
        "keys of entries": _keys(Entry.model_json_schema()),
        "names in HDF5": _names_in_hdf5(),
    }


def _streams() -> Iterator[str]:
    """The names that select a random stream besides its seed: every path of names in the library's source."""
    for source in sorted(Path(perturb.__file__).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                names = [_text(argument) for argument in node.args]
                if called in SEEDED and any(names[1:]):
                    yield f"seed: {' / '.join(name for name in names[1:] if name)}"
                elif called in DRAWN and names and names[0]:
                    yield f"{called}: {names[0]}"


def _text(node: ast.expr) -> str:
    """The string literal of an argument, with `{}` for interpolated parts; empty if it is not a string."""
    if isinstance(node, ast.JoinedStr):
        return "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _runs(config: ExperimentConfig) -> dict[str, str]:
    """Number of runs and a hash of their ids by kind. Ids depend on kinds, versions, keys, defaults and seeds.

    The report is left out, because its version increases with every new figure.
    """
    kinds: dict[str, list[str]] = {}
    for spec in _below(plan_experiment(config).report):
        kinds.setdefault(spec.kind, []).append(spec.id)
    hashes = {kind: hashlib.sha256(" ".join(sorted(ids)).encode()).hexdigest()[:16] for kind, ids in kinds.items()}
    return {kind: f"{len(ids)} runs, {hashes[kind]}" for kind, ids in kinds.items()}


def _below(spec: RunSpec) -> list[RunSpec]:
    """All runs that a run depends on, each once."""
    seen, waiting = {}, list(spec.inputs.values())
    while waiting:
        one = waiting.pop()
        if one.id not in seen:
            seen[one.id] = one
            waiting.extend(one.inputs.values())
    return list(seen.values())


def _tensors() -> dict[str, list[str]]:
    """Names of the tensors in the saved weights of every method and of m_ψ."""
    names = {}
    for kind, method in OBJECTIVES.items():
        config = TypeAdapter(ObjectiveConfig).validate_python({"kind": kind} | NEEDED.get(kind, {}))
        training = TrainingConfig(architecture="conv32")
        objective = method(config, training, channels=3, latents=4, seeds=[1], device="cpu")
        names[kind] = sorted(objective.networks.state_dict())
    for generator in ("coarse", "deconv"):
        form = PerturbationConfig(epsilon=0.1, generator=generator, normalise_scalar=True, normalise_pattern=True)
        network = network_for(Mini(), form, architecture="conv32", generator=torch.Generator())
        names[f"m_ψ, {generator}"] = sorted(network.state_dict())
    return names


def _keys(schema: Any) -> list[str]:
    """All keys of a JSON schema."""
    if isinstance(schema, dict):
        own = schema.get("properties", {})
        return sorted(set(own).union(*(_keys(value) for value in schema.values())))
    return sorted(set().union(*(_keys(value) for value in schema))) if isinstance(schema, list) else []


def _names_in_hdf5() -> list[str]:
    """Names of the datasets and attributes of a benchmark file."""
    with tempfile.TemporaryDirectory() as folder:
        path = write_small_file(Path(folder) / "modified.h5", SmallShapes())
        with h5py.File(path) as file:
            names: list[str] = [f"/@{name}" for name in file.attrs]
            file.visititems(lambda name, node: names.extend([name, *(f"{name}@{key}" for key in node.attrs)]))
    return sorted(names)


if __name__ == "__main__":
    FILE.write_text(json.dumps(frozen_names(), indent=1, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8")
