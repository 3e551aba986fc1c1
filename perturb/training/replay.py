"""Updates that a GPU records once as a CUDA graph and then replays, without Python and without single kernel launches.

A graph reads and writes the same memory at every replay, so its images and random numbers are copied into place first. The
first updates run without a graph, because recording needs everything to be warmed up. They are part of the training.
"""

from typing import Any

import torch
from torch import Tensor

from perturb.objectives import Objective
from perturb.random.philox import CounterRNG

PLAIN_UPDATES = 3


class FixedRNG:
    """Random numbers that always have the same memory addresses. `refresh` updates them to the current step."""

    def __init__(self, draws: CounterRNG) -> None:
        self._draws = draws
        self._kept: dict[tuple, Tensor] = {}

    @property
    def step(self) -> Tensor:
        """The current step, as `CounterRNG.step`."""
        return self._at_its_place("step")

    def uniform(self, name: str, *shape: int) -> Tensor:
        """Return the numbers of `CounterRNG.uniform`."""
        return self._at_its_place("uniform", name, *shape)

    def normal(self, name: str, *shape: int) -> Tensor:
        """Return the numbers of `CounterRNG.normal`."""
        return self._at_its_place("normal", name, *shape)

    def integers(self, name: str, high: int, *shape: int) -> Tensor:
        """Return the numbers of `CounterRNG.integers`."""
        return self._at_its_place("integers", name, high, *shape)

    def permutations(self, name: str, count: int, length: int) -> Tensor:
        """Return the numbers of `CounterRNG.permutations`."""
        return self._at_its_place("permutations", name, count, length)

    def refresh(self) -> None:
        """Redraw all numbers that have been requested so far."""
        for request, buffer in self._kept.items():
            buffer.copy_(self._drawn(request))

    def _at_its_place(self, *request: Any) -> Tensor:  # noqa: ANN401
        if request not in self._kept:
            self._kept[request] = self._drawn(request).clone()
        return self._kept[request]

    def _drawn(self, request: tuple) -> Tensor:
        method, *arguments = request
        answer = getattr(self._draws, method)
        return answer(*arguments) if arguments else answer


class Updates:
    """Updates of an objective: plain ones on a CPU, recorded ones on a GPU.

    Args:
        objective: changed in place.
        draws: random numbers of the same restarts.
        recorded: whether to record updates; None: on a GPU only.

    """

    def __init__(self, objective: Objective, draws: CounterRNG, *, recorded: bool | None = None) -> None:
        self._objective, self._draws, self._fixed = objective, draws, FixedRNG(draws)
        self._recorded = objective.device.type == "cuda" if recorded is None else recorded
        self._made = 0
        self._images: Tensor | None = None
        self._terms: dict[str, Tensor] = {}
        self._graph: torch.cuda.CUDAGraph | None = None

    def make(self, images: Tensor) -> dict[str, Tensor]:
        """Make one update. The returned terms are valid until the next one."""
        if not self._recorded:
            return self._objective.update(images, self._draws)
        self._fixed.refresh()
        if self._made < PLAIN_UPDATES:
            self._made += 1
            return self._plain(images)
        buffer = self._images
        if buffer is None:
            buffer = self._images = images.clone()
            self._record(buffer)
        buffer.copy_(images)
        return self._replay(buffer)

    def _plain(self, images: Tensor) -> dict[str, Tensor]:
        if self._objective.device.type != "cuda":
            return self._objective.update(images, self._fixed)
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            terms = self._objective.update(images, self._fixed)
        torch.cuda.current_stream().wait_stream(side)
        return terms

    def _record(self, buffer: Tensor) -> None:
        """Record an update, which changes no weights. A CPU has no graphs, and runs the update from the same memory."""
        if self._objective.device.type == "cuda":
            self._graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self._graph):
                self._terms = self._objective.update(buffer, self._fixed)

    def _replay(self, buffer: Tensor) -> dict[str, Tensor]:
        if self._graph is None:
            return self._objective.update(buffer, self._fixed)
        self._graph.replay()
        return self._terms
