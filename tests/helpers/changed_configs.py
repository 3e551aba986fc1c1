"""Changes to config files and the differences they make."""

from pathlib import Path
from typing import Any

from perturb.config import ExperimentConfig


def replaced(path: Path, old: str, new: str) -> Path:
    """Replace the first `old` in a file and return its path."""
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return path


def _flat(value: Any, key: str = "") -> dict[str, Any]:
    """Nested containers as dotted keys."""
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        return {k: v for name, inner in items for k, v in _flat(inner, f"{key}.{name}").items()}
    return {key.removeprefix("."): value}


def differences(one: ExperimentConfig, other: ExperimentConfig) -> dict[str, Any]:
    """Values of `other` that differ from those of `one`, by dotted key."""
    before, after = (_flat(config.model_dump(mode="json")) for config in (one, other))
    assert before.keys() == after.keys()
    return {key: after[key] for key in before if before[key] != after[key]}
