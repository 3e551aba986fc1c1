"""Other people's models: the benchmark as a torch Dataset, and a score for any architecture.

`load_benchmark("mini", variant="modified")` gives the images with their factors; `benchmark(factory, dataset="mini")` trains
what the factory makes on every variant and scores it.
"""

from perturb.outside.dataset import BenchmarkImages, load_benchmark
from perturb.outside.evaluation import benchmark
from perturb.outside.plan import Training
from perturb.outside.result import Result

__all__ = ["BenchmarkImages", "Result", "Training", "benchmark", "load_benchmark"]
