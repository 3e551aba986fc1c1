"""Scores of runs, their means and differences, intervals, and families of comparisons."""
