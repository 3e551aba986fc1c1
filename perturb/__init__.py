"""Perturbed disentanglement benchmarks: does a model disentangle, or does it lean on the data?

Importing this package imports nothing else. The stages are its subpackages, in the order the data takes:
datasets, models, objectives, training, metrics, selection, perturbation, benchmark, evaluation.
"""

__version__ = "0.1.0"
