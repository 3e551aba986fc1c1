"""Scores of runs, their means and differences, confidence intervals, and families of comparisons."""
