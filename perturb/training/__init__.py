"""The engine: one loop for every objective, with exact checkpoints."""

from perturb.training.loop import Outcome, train

__all__ = ["Outcome", "train"]
