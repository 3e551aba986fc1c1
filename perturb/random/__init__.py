"""Explicit randomness: seeds derived along a path, and counter-based random numbers drawn by name."""
