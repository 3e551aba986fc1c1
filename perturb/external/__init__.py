"""Other people's models: the benchmark as a torch Dataset, and a score for any architecture.

`load_benchmark("mini", variant="modified")` gives the images with their factors; `benchmark(factory, dataset="mini")` trains
what the factory makes on every variant and scores it.
"""

from perturb.external.dataset import BenchmarkImages, load_benchmark
from perturb.external.evaluate import benchmark
from perturb.external.plan import Training
from perturb.external.result import Result

__all__ = ["BenchmarkImages", "Result", "Training", "benchmark", "load_benchmark"]
