"""The training engine: one loop for all objectives, with exact checkpoints."""

from perturb.training.loop import TrainingOutcome, train

__all__ = ["TrainingOutcome", "train"]
