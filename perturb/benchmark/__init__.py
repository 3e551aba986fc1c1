"""Benchmark files that existing code can open."""
