"""Score any architecture: train it on every variant of a benchmark, and see what survives."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from perturb.config import MetricsConfig
from perturb.datasets.hdf5.reader import BenchmarkFile
from perturb.entries.entry import (
    PENDING_SCORE,
    AxesOfRun,
    DatasetOfEntry,
    Entry,
    FileHash,
    Run,
    as_user_error,
    metrics_of,
    require_readable,
    write_entry,
)
from perturb.entries.factors import PENDING_FACTOR, factors_of_entry
from perturb.errors import UserError
from perturb.escapes import in_line
from perturb.external import protocols
from perturb.external.axes import MOST_MODELS, PENDING_AXES, Look, look
from perturb.external.axes_shown import draw_axes
from perturb.external.benchmarks import Benchmark, find_benchmark, usual_variants
from perturb.external.dataset import BenchmarkImages, unpack
from perturb.external.fork_server import ForkServer
from perturb.external.plan import (
    Asked,
    ExternalResult,
    ExternalRun,
    Training,
    Way,
    checked,
    codes_in,
    plan_runs,
    scores_seed,
)
from perturb.external.protocols import Factory
from perturb.external.result import Result, epsilon_of, rows_beside
from perturb.external.runner import RunContext, Runner
from perturb.files import sha256_of
from perturb.locks import locked
from perturb.machine import software_versions
from perturb.metrics import chosen_settings
from perturb.names import LONGEST_NAME, LONGEST_TEXT, SHORTEST_NAME, is_name, one_line
from perturb.runs import RunSpec
from perturb.statistics.scores import BASELINE
from perturb.variants import VariantPattern

ENTRY, PICTURE = "entry.json", "axes.png"
"""Files that an evaluation writes next to its runs; the picture only if something could be measured in the model's axes."""


def benchmark(
    model: Factory | str | Path, dataset: str | Path = "mini", *, way: Way = "train",
    variants: Sequence[str] | None = None, seeds: int = 3, patterns: int | None = None, metrics: Sequence[str] = ("mig",),
    seed: int = 0, settings: MetricsConfig | None = None, fast: bool = False, training: Training | None = None,
    name: str | None = None, method: str | None = None, out: str | Path | None = None, time_limit: float | None = None,
    memory_limit: float | None = None, workers: int | None = None, retry: bool = False, download: bool = False,
    url: str | None = None, cache: Path | None = None, original: str | Path | None = None, quiet: bool = False,
) -> Result:  # fmt: skip
    """Train and score a model on every variant of a benchmark. Every run is a separate process.

    Args:
        model: a factory (see perturb/external/protocols.py), its name `package.module:name`, or a folder of codes.
        dataset: `mini`, `dsprites`, `shapes3d`, a folder of benchmark files, or the results.json of a run.
        way: `train`; `encoder`, for a model that is already trained; `codes`, for a folder with `<variant>.npz` files, or
            `<variant>-<seed>.npz` files of several models.
        variants: variants to train on; the first is `original`. None: original, modified and noise or, if the benchmark has
            no noise, the untrained pattern.
        seeds: number of seeds; trained encoders have one, codes as many as there are files.
        patterns: number of patterns per variant; seed k trains on pattern k % patterns. None: every available pattern, or
            for precomputed codes the first.
        metrics: keys of METRICS; the result's sentence is about the first.
        seed: root seed.
        settings: settings of the metrics; None: disentanglement_lib's.
        fast: use the metrics' cheaper settings instead, for a quick look.
        training: settings for models that perturb's loop trains.
        name: name of the model; None: its class's name, or the name of the folder of codes.
        method: the method in one line; None: the first line of the factory's docstring.
        out: folder for entry.json and finished runs, from which a killed evaluation resumes; None: keep nothing.
        time_limit: seconds a run may take.
        memory_limit: GiB a run may use.
        workers: number of runs at a time; None: one per core, or one if there is a GPU.
        retry: retry runs that failed before.
        download: download missing benchmark files instead of making them.
        url: where to download from.
        cache: folder of benchmark files.
        original: the authors' own file of dSprites or Shapes3D, whose images replace our renderer's.
        quiet: show no progress.

    Raises:
        UserError: an argument cannot be used, or the model follows no protocol. A run that fails does not raise.

    """
    given = _checked_words(name, method)
    variants = usual_variants(dataset) if variants is None else variants
    chosen, training = chosen_settings(metrics, settings, fast=fast), training or Training()
    of_codes, factory = _sides(model, way)
    codes = codes_in(of_codes, variants) if of_codes else {}
    numbers = tuple(sorted({number for _, number in codes})) or tuple(range(1 if way == "encoder" else seeds))
    identity = _checked_identity(of_codes.resolve().name if of_codes else protocols.identity_of(factory))
    asked = checked(Asked(way, identity, tuple(variants), numbers, tuple(metrics), chosen, seed, training))
    draws = _draws(numbers, 1 if codes and patterns is None else patterns)
    context = RunContext(model=factory, images={}, codes=codes, fitted=way == "encoder", training=training, cache=cache)
    with tempfile.TemporaryDirectory(prefix="perturb-") as nowhere, ForkServer() as server:
        runner_in = partial(
            Runner, server=server, workers=workers, seconds=time_limit, gibibytes=memory_limit, quiet=quiet
        )  # fmt: skip
        found = find_benchmark(
            dataset, variants, draws=draws, download=download, url=url, cache=cache, original=original,
            before_making=None if of_codes else runner_in(Path(nowhere), context).inspect_model,
        )  # fmt: skip
        for path in found.files.values():
            unpack(path, cache)
        context = replace(context, images={column: BenchmarkImages(path) for column, path in found.files.items()})
        others, folder = rows_beside(found, metrics_of(asked.metrics, asked.settings)), Path(out or nowhere).resolve()
        entry, seen = _evaluated(asked, found, context, runner_in(folder, context), folder=folder, retry=retry, given=given)
    return Result(entry, others, Path(out) if out else None, without_axes=seen.missing)


def _draws(numbers: Sequence[int], patterns: int | None) -> range:
    """Return the numbers of the patterns that the seeds train on, if the variant has that many."""
    if patterns is not None and patterns < 1:
        raise UserError(f"patterns must be 1 or more, got {patterns}.")
    most = max(numbers) + 1
    return range(most if patterns is None else min(patterns, most))


def _checked_words(name: str | None, method: str | None) -> dict[str, str]:
    """Return the user's name and method for the entry; refuse invalid ones now, and not after hours of training."""
    for key, text, longest in (("name", name, LONGEST_NAME), ("method", method, LONGEST_TEXT)):
        if text is not None and not (0 < len(text) <= longest and text.isprintable()):
            raise UserError(f"{key} must be one line of 1 to {longest} printable characters, got {text!r}.")
    return {key: text for key, text in (("name", name), ("method", method)) if text is not None}


def _checked_identity(identity: str) -> str:
    """Return a model's identity unchanged; raise a UserError if it is not one line of text, as with some folder names."""
    if not identity or not identity.isprintable():
        raise UserError(f"{in_line(identity)!r}: a model or a folder of codes must have a name of printable characters.")
    return identity


def _checked_name(about: dict[str, Any]) -> dict[str, Any]:
    """Return the description of a model unchanged; raise a UserError if its name is not valid in an entry."""
    if not is_name(about["name"]):
        raise UserError(
            f"the model's name must be one line of {SHORTEST_NAME} to {LONGEST_NAME} printable characters, and its class is "
            f"called {about['name'][:LONGEST_NAME]!r}; give the model another one with name (--name)."
        )
    return about


def _evaluated(
    asked: Asked,
    found: Benchmark,
    context: RunContext,
    runner: Runner,
    *,
    folder: Path,
    retry: bool,
    given: dict[str, str],
) -> tuple[Entry, Look]:
    """Finish all runs, measure the images in the models' axes, and write entry.json and the picture."""
    busy = f"another evaluation is writing to {folder}; wait for it, or name another folder."
    with locked(folder / ".lock", otherwise=busy):
        about = (
            {"name": one_line(asked.model)[:LONGEST_NAME], "how": "codes", "method": "", "settings": {}}
            if context.codes
            else runner.inspect_model()
        )
        about = _checked_name(about | given)
        specs = plan_runs(asked, context.images, *_hashes(context, about), about["settings"])
        names = next(iter(context.images.values())).grid.names
        pending = ExternalResult(
            scores=dict.fromkeys(asked.metrics, PENDING_SCORE), details=None, factors=dict.fromkeys(names, PENDING_FACTOR)
        )
        expected = [(spec.config, pending, 0.0) for spec in specs.values()]
        axes = {key: PENDING_AXES for key in specs if key[1] in asked.seeds[:MOST_MODELS]}
        with as_user_error("the results"):  # fail now, and not after hours of training
            require_readable(_entry(asked, found, context.images, about, expected, axes))
        steps = asked.training.steps if about["how"] == "loop" else None
        results = runner.finish(list(specs.values()), retry=retry, steps=steps)
        ended = [(spec.config, results[spec.id], runner.seconds(spec)) for spec in specs.values()]
        seen = _seen(asked, context, specs, results, runner)
        entry = _entry(asked, found, context.images, about, ended, seen.found)
        write_entry(folder / ENTRY, entry)
        draw_axes(folder / PICTURE, entry)
    return entry, seen


def _seen(
    asked: Asked,
    context: RunContext,
    specs: Mapping[tuple[str, int], RunSpec[ExternalRun]],
    results: Mapping[str, ExternalResult],
    runner: Runner,
) -> Look:
    """Measure every run's images in the axes of the model of the same seed; skip seeds without scores on the original."""
    on_originals = {number: specs[BASELINE, number] for number in asked.seeds}
    coded = {number: spec for number, spec in on_originals.items() if results[spec.id].scores is not None}
    reasons = {number: results[spec.id].without_axes for number, spec in coded.items()}
    columns = {key: VariantPattern(spec.config.variant, spec.config.draw) for key, spec in specs.items()}
    try:
        for image in context.images.values():
            unpack(image.path, context.cache)  # a model may have overwritten the files that are read now
        files = {column: BenchmarkFile(image.path) for column, image in context.images.items()}
    except UserError as error:
        return Look({}, dict.fromkeys(coded, one_line(str(error))))
    return look(
        {number: runner.folder(spec) for number, spec in coded.items()},
        {key: files[column] for key, column in columns.items()},
        refused={number: reason for number, reason in reasons.items() if reason is not None},
        seed=scores_seed(asked.seed),
    )


def _sides(model: Factory | str | Path, way: Way) -> tuple[Path | None, Factory | str]:
    """Return the folder of codes, or None with the factory.

    Raises:
        UserError: one is given where the other is needed.

    """
    if way == "codes":
        if not isinstance(model, str | Path):
            raise UserError(f'way = "codes" needs a folder of codes, got {type(model).__name__}.')
        return Path(model), ""
    if isinstance(model, Path):
        raise UserError(f'{model}: a path means a folder of codes, which needs way = "codes".')
    return None, model


def _hashes(context: RunContext, about: dict[str, Any]) -> tuple[Any, str | None]:
    """Return the hashes that distinguish models, or sets of codes, of the same name."""
    if context.codes:
        return {key: sha256_of(path) for key, path in context.codes.items()}, None
    if isinstance(context.model, str):
        return about["code_sha256"], None
    return protocols.code_hash(context.model), protocols.state_hash(context.model)


def _entry(
    asked: Asked,
    found: Benchmark,
    images: Mapping[VariantPattern, BenchmarkImages],
    about: dict[str, Any],
    ended: Sequence[tuple[ExternalRun, ExternalResult, float]],
    axes: Mapping[tuple[str, int], AxesOfRun],
) -> Entry:
    """Build the entry of finished runs from their results, durations, and measurements in the models' axes."""
    trained = {"training": asked.training.model_dump(mode="json")} if about["how"] == "loop" else {}
    files = [
        FileHash(variant=c.variant, draw=c.pattern, images_sha256=i.sha256, recipe_sha256=i.recipe_sha256)
        for c, i in images.items()
    ]
    runs = [
        Run(
            variant=run.variant,
            draw=run.draw,
            seed=run.number,
            scores=result.scores,
            refused={name: one_line(reason) for name, reason in result.refused.items()},
            failure=result.failure,
            seconds=round(seconds, 1),
            axes=axes.get((run.variant, run.number)),
            factors=factors_of_entry(result.factors if run.number in asked.seeds[:MOST_MODELS] else None),
        )
        for run, result, seconds in ended
    ]
    return Entry(
        model=about["name"],
        method=about["method"],
        settings=about["settings"] | trained,
        how=about["how"],
        dataset=DatasetOfEntry(
            name=found.name,
            ground_truth=next(iter(images.values())).name,
            epsilon=epsilon_of([image.file for image in images.values()]),
            files=tuple(files),
        ),
        seed=asked.seed,
        seeds=asked.seeds,
        metrics=metrics_of(asked.metrics, asked.settings),
        runs=tuple(runs),
        versions=software_versions(),
        date=datetime.now(UTC).date(),
    )
