"""External models: the benchmark as a torch Dataset, and scores for any architecture.

`load_benchmark("mini", variant="modified")` returns the images with their factors; `benchmark(factory, dataset="mini")`
trains the factory's models on every variant and scores them.
"""

from perturb.external.dataset import BenchmarkImages, load_benchmark
from perturb.external.evaluate import benchmark
from perturb.external.plan import Training
from perturb.external.result import Result

__all__ = ["BenchmarkImages", "Result", "Training", "benchmark", "load_benchmark"]
