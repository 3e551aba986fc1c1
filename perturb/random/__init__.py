"""Randomness as an argument: seeds derived along a path, and numbers drawn by name from a counter."""
