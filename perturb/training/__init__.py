"""The engine: one loop for every objective, with exact checkpoints."""

from perturb.training.loop import TrainingOutcome, train

__all__ = ["TrainingOutcome", "train"]
