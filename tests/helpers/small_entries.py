"""Made-up entries for tests of the validator and the leaderboard."""

import json
from pathlib import Path
from typing import Any

from perturb.entries.entry import Entry


def entry_as_json(model: str = "Mine", **scores: list[float | None]) -> dict[str, Any]:
    """A valid entry with scores of seeds 0, 1, … by variant; None stands for a failed run."""
    scores = scores or {"original": [0.6, 0.5], "modified": [0.3, 0.2]}
    files = [{"variant": v, "images_sha256": f"{number:064x}"} for number, v in enumerate(scores)]
    runs = [
        {"variant": v, "seed": k, "scores": None if x is None else {"mig": x}, "failure": "it broke" if x is None else None}
        for v, values in scores.items()
        for k, x in enumerate(values)
    ]
    return {
        "format_version": 1,
        "model": model,
        "method": "a model of the tests",
        "how": "fit",
        "dataset": {"name": "discs", "ground_truth": "discs", "epsilon": 0.25, "files": files},
        "seed": 0,
        "seeds": list(range(len(scores["original"]))),
        "metrics": [{"name": "mig", "settings": {"num_train": 10_000, "num_bins": 20}}],
        "runs": runs,
        "confidence": {"level": 0.95},
        "versions": {"perturb": "0.1.0"},
    }


def made_entry(model: str = "Mine", **scores: list[float | None]) -> Entry:
    """Return the entry of `entry_as_json`, parsed and validated."""
    return Entry.model_validate_json(json.dumps(entry_as_json(model, **scores)))


def write_raw(path: Path, value: Any) -> Path:
    """Write JSON without validation, NaN included."""
    path.write_text(json.dumps(value), encoding="utf-8")
    return path
