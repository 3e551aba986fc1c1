# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
"""Loading an experiment config from a TOML file, and serialising it to canonical JSON with a hash."""

import hashlib
import json
import math
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import JsonValue, ValidationError

from perturb.config.evaluation import MethodConfig
from perturb.config.experiment import OWN, ExperimentConfig
from perturb.config.perturbation import PerturbationConfig
from perturb.config.problem import LONGEST, first_problem
from perturb.config.section import Section
from perturb.errors import UserError, not_among
from perturb.escapes import in_line
from perturb.files import sha256_of
from perturb.reading import opened_hdf5, reading, text_of

REMEDY = "name a TOML file, such as those in configs/ of perturb's repository"
LARGEST_CONFIG = 1 << 20
"""Largest config file that is read, in bytes."""


def load_experiment(path: Path, changes: Sequence[str] = ()) -> ExperimentConfig:
    """Load an experiment config. Any problem becomes one `UserError` that names file, key, rule and value.

    Args:
        path: a TOML file. Its key `base` may name another TOML file, relative to it, whose settings it inherits and
            overrides, table by table; lists are replaced as a whole.
        changes: overrides of the file's settings, each a line of TOML such as `restarts.num=3`. Strings need no quotes.

    """
    raw: JsonValue = _read_toml(path)
    if "base" in raw:
        base = _read_base(path, raw.pop("base"))
        with reading(path, REMEDY):
            raw = _merged(base, raw)
    for change in changes:
        with reading(path, "correct --set", f"--set {in_line(change, LONGEST)} cannot be used"):
            raw = _merged(raw, _parsed(change))
    with reading(path, REMEDY):
        text = json.dumps(raw, default=_as_no_json)
    try:
        config = ExperimentConfig.model_validate_json(text)
    except ValidationError as error:
        remedy = "; remove it or correct its name" if error.errors()[0]["type"] == "extra_forbidden" else ""
        more = f" ({error.error_count() - 1} more after it)" if error.error_count() > 1 else ""
        raise UserError(f"{path}: {first_problem(error)}{remedy}{more}.") from None
    return _located(config, path.parent)


def _read_toml(path: Path) -> dict[str, JsonValue]:
    text = text_of(path, REMEDY, largest=LARGEST_CONFIG)
    with reading(path, REMEDY, "not a TOML file"):
        return tomllib.loads(text)


def _read_base(path: Path, base: JsonValue) -> dict[str, JsonValue]:
    """Read the settings of the file that `path` names as its base."""
    if not isinstance(base, str):
        raise UserError(f"{path}: `base` must be the path of a TOML file, got {in_line(repr(base), LONGEST)}.")
    settings = _read_toml(path.parent / base)
    if "base" in settings:
        raise UserError(f"{path.parent / base}: is the base of {path}, and must have no `base` of its own.")
    return settings


def _parsed(change: str) -> dict[str, Any]:
    """Parse one override: a line of TOML in which a string may lack its quotes."""
    key, given, value = change.partition("=")
    for line in (change, f"{key} = {json.dumps(value.strip())}") if given else ():
        try:
            return tomllib.loads(line)
        except (tomllib.TOMLDecodeError, RecursionError):
            continue
    raise UserError(f"--set must be KEY=VALUE, for example restarts.num=3, got {in_line(change, LONGEST)}.")


def _merged(old: JsonValue, new: JsonValue) -> JsonValue:
    """Merge `new` into `old`, table by table; values of `new` win."""
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return new
    return old | {key: _merged(old.get(key), value) for key, value in new.items()}


def _located(config: ExperimentConfig, folder: Path) -> ExperimentConfig:
    """Resolve relative paths against the config's folder, and record the hash of a data file that may change."""
    dataset, published = config.dataset, config.published
    if published is not None and published.folder is not None:
        place = published.model_copy(update={"folder": (folder / published.folder).resolve()})
        config = config.model_copy(update={"published": place})
    if dataset.path is None:
        return config
    with reading(dataset.path, "correct dataset.path", "cannot be the data file"):
        path = dataset.path if dataset.path.is_absolute() else (folder / dataset.path).resolve()
        update: dict[str, Any] = {"path": path}
        if path.is_file():
            update["sha256"] = sha256_of(path) if dataset.name == OWN else _images_sha256(path)
    return config.model_copy(update={"dataset": dataset.model_copy(update=update)})


def _images_sha256(path: Path) -> str | None:
    """Return the hash that a benchmark file states for its images; None for any other file."""
    import h5py

    if not h5py.is_hdf5(path):
        return None
    with opened_hdf5(path, "make or download it again") as file:
        return f"{file.attrs['images_sha256']}" if "images_sha256" in file.attrs else None


def _as_no_json(value: object) -> dict[str, str]:
    """Map TOML dates and times to a value that no field accepts, so that pydantic reports the offending field."""
    return {"a date or time": str(value)}


def canonical_json(section: Section) -> str:
    """Serialise a resolved config to JSON with sorted keys and no spaces, so that equal configs give equal text."""
    return json.dumps(section.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), allow_nan=False)


def config_hash(section: Section) -> str:
    """Return the SHA-256 of the canonical JSON, in hexadecimal."""
    return hashlib.sha256(canonical_json(section).encode()).hexdigest()


def scaled_down(config: ExperimentConfig, budget: float) -> ExperimentConfig:
    """Return the same experiment with all numbers of steps and trainings multiplied by `budget`, in (0, 1].

    Counts never fall below the smallest useful ones: one step, two more restarts than the selection keeps, two seeds, one
    pattern per variant, and the line-search factor nearest to 1.
    """
    if not 0 < budget <= 1:
        raise UserError(f"--budget must be above 0 and at most 1, got {budget:g}.")
    if budget == 1:
        return config

    def steps(training: Any) -> Any:  # noqa: ANN401
        return training and training.model_copy(
            update={"steps": _scaled(training.steps, budget), "checkpoint_every": _scaled(training.checkpoint_every, budget)}
        )

    def pattern(form: PerturbationConfig) -> PerturbationConfig:
        return form.model_copy(update={"steps": _scaled(form.steps, budget)})

    def method(row: MethodConfig) -> MethodConfig:
        return row.model_copy(update={"training": steps(row.training), "seeds": row.seeds and min(seeds, row.seeds)})

    keep = _scaled(config.selection.keep, budget)
    restarts = max(min(config.restarts.num, 2 * keep + 2), _scaled(config.restarts.num, budget))
    seeds = max(2, _scaled(config.evaluation.seeds, budget))
    draws = _fewer(config.evaluation.draws, budget, most=seeds)
    methods = tuple(map(method, config.evaluation.methods))
    search, readout = config.search, config.readout
    return config.model_copy(
        update={
            "training": steps(config.training),
            "selection": config.selection.model_copy(update={"keep": keep}),
            "restarts": config.restarts.model_copy(update={"num": restarts}),
            "perturbation": config.perturbation if config.published else pattern(config.perturbation),
            "alternatives": {name: pattern(form) for name, form in config.alternatives.items()},
            "evaluation": config.evaluation.model_copy(update={"seeds": seeds, "draws": draws, "methods": methods}),
            "search": search
            and search.model_copy(
                update={"seeds": min(seeds, search.seeds), "factors": _nearest_to_one(search.factors, budget)}
            ),
            "readout": readout and readout.model_copy(update={"steps": _scaled(readout.steps, budget)}),
        }
    )


def with_methods(config: ExperimentConfig, names: Sequence[str]) -> ExperimentConfig:
    """Return the same experiment with only the named methods.

    Raises:
        UserError: a name is not that of a method.

    """
    methods = {method.name: method for method in config.evaluation.methods}
    for name in names:
        if name not in methods:
            raise UserError(f"--methods {not_among([name], methods)}.")
    chosen = tuple(method for name, method in methods.items() if name in names)
    return config.model_copy(update={"evaluation": config.evaluation.model_copy(update={"methods": chosen})})


def _fewer(draws: int | dict[str, int], budget: float, *, most: int) -> int | dict[str, int]:
    """Scale the numbers of patterns, given as one number or per variant, to at most `most`."""
    if isinstance(draws, dict):
        return {variant: min(most, _scaled(number, budget)) for variant, number in draws.items()}
    return min(most, _scaled(draws, budget))


def _nearest_to_one(factors: tuple[float, ...], budget: float) -> tuple[float, ...]:
    nearest = sorted(factors, key=lambda factor: abs(math.log(factor)))[: _scaled(len(factors), budget)]
    return tuple(factor for factor in factors if factor in nearest)


def _scaled(count: int, budget: float) -> int:
    return max(1, round(count * budget))
