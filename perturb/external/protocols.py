"""The protocols for a user's model, which must follow one of three.

A factory is called once per run, in the run's own process, after the global generators of Python, NumPy and torch have been
seeded with the run's seed. Parameters named `image_shape`, `num_factors` or `seed` that have no default are passed to it.
The model that it returns has

- `fit(dataset, seed)` and `encode(images)`, and trains itself; or
- `module` (a torch module; may be the object itself), `loss(batch)` and `encode(images)`, and is trained by perturb's
  loop; or
- `encode(images)` only, and has already been trained.

`images` and `batch` are float32 (n, channels, height, width) in [0, 1]; codes are numbers (n, latents), as a tensor or an
array; the loss is a scalar tensor. An optional dict `settings` with plain values goes into the entry.
"""

import hashlib
import importlib
import inspect
import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import torch
from torch import nn

from perturb.datasets.ground_truth import FactorGrid
from perturb.errors import UserError
from perturb.external.dataset import as_floats
from perturb.metrics.coded import as_array

Factory = Callable[[], Any]
LARGEST_SETTINGS, DEEPEST_SETTINGS = 100_000, 30
"""Maximum bytes and nesting depth of a model's own settings, which are stored in every run's manifest and in the entry."""


def load_factory(name: str) -> Factory:
    """Return the factory named `package.module:name`.

    Raises:
        UserError: there is no such module, it has no such name, or the object is not callable.

    """
    module_name, colon, attribute = name.partition(":")
    if not (module_name and colon and attribute):
        raise UserError(f"a factory is named package.module:name, got {name}.")
    try:
        found = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and (module_name == error.name or module_name.startswith(f"{error.name}.")):
            raise UserError(
                f"there is no module {error.name} to be found from here; run the command where `import {module_name}` works."
            ) from None
        raise
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise UserError(f"{module_name} has no {attribute}; name a function or a class in it.")
        found = getattr(found, part)
    if not callable(found):
        raise UserError(f"{name} must be a function or a class that returns a model, and is {type(found).__name__}.")
    return found


def made_by(factory: Factory, offers: Mapping[str, Any], *, fitted: bool) -> tuple[Any, str]:
    """Return a factory's model and how to run it: `fit`, `loop` or `encoder`.

    Args:
        factory: the user's factory.
        offers: arguments that the factory may take, by name, as returned by `offered`.
        fitted: whether to score the model as it is.

    Raises:
        UserError: the factory needs other arguments, or its model follows none of the protocols. Exceptions that the
            factory raises keep their traceback.

    """
    model = factory(**_arguments(factory, offers))
    kind = type(model).__name__
    if not callable(getattr(model, "encode", None)):
        raise UserError(f"the model ({kind}) has no encode(images), which returns the codes (n, latents).")
    if fitted:
        return model, "encoder"
    if callable(getattr(model, "fit", None)):
        return model, "fit"
    if isinstance(module_of(model), nn.Module) and callable(getattr(model, "loss", None)):
        return model, "loop"
    raise UserError(
        f"the model ({kind}) has neither fit(dataset, seed), nor a torch module named `module` with loss(batch); if it has "
        "been trained before, say so (--encoder, or way='encoder')."
    )


def offered(image_shape: tuple[int, int, int], grid: FactorGrid, seed: int) -> dict[str, Any]:
    """Return what a factory may take, by name: image shape (channels, height, width), number of factors, seed."""
    return {"image_shape": image_shape, "num_factors": grid.num_factors, "seed": seed}


def _arguments(factory: Factory, offers: Mapping[str, Any]) -> dict[str, Any]:
    """Return the offered arguments that a factory needs; none if Python cannot determine its parameters."""
    try:
        parameters = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError):
        return {}
    of_any_number = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    needed = [p.name for p in parameters if p.default is inspect.Parameter.empty and p.kind not in of_any_number]
    if unknown := [name for name in needed if name not in offers]:
        raise UserError(
            f"the factory {identity_of(factory)} needs {', '.join(unknown)}, but may only take {', '.join(offers)}; "
            "wrap it in a function or a functools.partial that supplies the rest."
        )
    return {name: offers[name] for name in needed}


def module_of(model: Any) -> Any:  # noqa: ANN401
    """Return the torch module that the loop trains: the model itself, or its `module`."""
    return model if isinstance(model, nn.Module) else getattr(model, "module", None)


def encoder_of(model: Any, device: str | torch.device = "cpu") -> Callable[[np.ndarray], np.ndarray]:  # noqa: ANN401
    """Adapt a model's `encode` for the metrics: from images uint8 (n, height, width, channels) to an array of codes."""

    def encode(images: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            codes = model.encode(as_floats(images).to(device))
        codes = as_array(codes, "what encode returns")
        if codes.ndim != 2 or len(codes) != len(images) or codes.dtype.kind not in "fiu":
            raise UserError(
                f"encode must return numbers ({len(images)}, latents) for {len(images)} images, got {codes.dtype} of shape "
                f"{codes.shape}."
            )
        return codes

    return encode


def decoder_of(model: Any) -> Callable[[torch.Tensor], torch.Tensor]:  # noqa: ANN401
    """Return a model's `decode`: from codes (n, latents) to images in [0, 1] of any shape (n, ...), each independently.

    It must consist of torch operations that autograd can differentiate twice.

    Raises:
        UserError: the model has no `decode`.

    """
    if not callable(getattr(model, "decode", None)):
        raise UserError(
            f"the model ({type(model).__name__}) has no decode(codes), which returns images (n, ...) in [0, 1]; the "
            "question is about its decoder."
        )
    return model.decode


def posterior_of(model: Any) -> Callable[[np.ndarray], tuple[torch.Tensor, torch.Tensor]]:  # noqa: ANN401
    """Adapt a model's `posterior`: from images uint8 (n, height, width, channels) to means and log variances (n, latents).

    Raises:
        UserError: the model has no `posterior`. Calls raise one if it returns anything else.

    """
    if not callable(getattr(model, "posterior", None)):
        raise UserError(
            f"the model ({type(model).__name__}) has no posterior(images), which returns means and log variances, each (n, "
            "latents); the question is about its noise."
        )

    def posterior(images: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        with torch.no_grad():
            found = model.posterior(as_floats(images))
        if not isinstance(found, tuple | list) or len(found) != 2:
            raise UserError(f"posterior must return two things, means and log variances, got {type(found).__name__}.")
        means, logvars = (torch.from_numpy(as_array(one, "what posterior returns").astype(np.float32)) for one in found)
        if means.ndim != 2 or len(means) != len(images) or logvars.shape != means.shape:
            raise UserError(
                f"posterior must return means and log variances ({len(images)}, latents) for {len(images)} images, got "
                f"shapes {tuple(means.shape)} and {tuple(logvars.shape)}."
            )
        if not (means.isfinite().all() and logvars.exp().isfinite().all()):
            raise UserError("posterior must return finite means and the logarithms of finite variances.")
        return means, logvars

    return posterior


def settings_of(model: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return a model's own settings, ready for JSON; {} if it has none.

    Raises:
        UserError: they are not a dict of plain values, are nested too deeply, or are too long.

    """
    settings = getattr(model, "settings", {})
    try:
        if not isinstance(settings, dict):
            raise TypeError
        text = json.dumps(settings, allow_nan=False, ensure_ascii=False)
        found, size, depth = json.loads(text), len(text.encode()), _depth(settings)
    except (TypeError, ValueError, RecursionError):
        raise UserError("the model's `settings` must be a dict of plain finite values, as JSON has them.") from None
    if size > LARGEST_SETTINGS or depth > DEEPEST_SETTINGS:
        raise UserError(
            f"the model's `settings` must have at most {LARGEST_SETTINGS:,} bytes as JSON and be nested {DEEPEST_SETTINGS} "
            f"deep at most; they have {size:,} bytes and are {depth} deep."
        )
    return found


def _depth(value: Any) -> int:  # noqa: ANN401
    """Return the depth to which dicts and lists are nested in each other; 0 for anything else."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else None
    return 0 if inner is None else 1 + max(map(_depth, inner), default=0)


def identity_of(factory: Factory | str) -> str:
    """Return a stable name for a factory: the given name or, for an object, its module and qualified name."""
    if isinstance(factory, str):
        return factory
    inner = _unwrapped(factory)
    return f"{getattr(inner, '__module__', '')}:{getattr(inner, '__qualname__', type(inner).__qualname__)}"


def described(factory: Factory, model: Any) -> str:  # noqa: ANN401
    """Return the first line of a factory's docstring or, if it has none, of the model's class; "" if neither has one."""
    for text in (inspect.getdoc(_unwrapped(factory)), vars(type(model)).get("__doc__")):
        if text and text.strip():
            return text.strip().splitlines()[0].strip()
    return ""


def code_hash(factory: Factory) -> str | None:
    """Return the SHA-256 of the file that defines a factory; None if there is no file."""
    try:
        path = Path(inspect.getsourcefile(_unwrapped(factory)) or "")
    except (TypeError, OSError):
        return None
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


def state_hash(factory: Factory) -> str:
    """Return the SHA-256 of a factory's state besides its code: bound arguments, defaults, attributes, closure variables."""
    parts: list[Any] = []
    while isinstance(factory, partial):
        parts.append((factory.args, sorted(factory.keywords.items())))
        factory = factory.func
    if inspect.isfunction(factory):
        parts.append((factory.__defaults__, factory.__kwdefaults__, inspect.getclosurevars(factory).nonlocals))
    if not (inspect.isfunction(factory) or inspect.isclass(factory)) or code_hash(factory) is None:
        parts.append(cloudpickle.dumps(factory))
    return hashlib.sha256(cloudpickle.dumps(parts)).hexdigest()


def _unwrapped(factory: Factory) -> Factory:
    while isinstance(factory, partial):
        factory = factory.func
    return inspect.unwrap(factory)
