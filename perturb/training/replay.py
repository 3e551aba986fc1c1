"""Updates that a GPU records once as a CUDA graph and then replays: no Python and no launches one by one.

A graph reads and writes the same memory at every replay, so its images and random numbers are copied into place before. The
first updates are made plainly, as the recording wants everything warm; they are part of the training.
"""

from typing import Any

import torch
from torch import Tensor

from perturb.objectives import Objective
from perturb.random.philox import CounterRNG

PLAIN_UPDATES = 3


class FixedRNG:
    """Random numbers that always lie in the same memory; `refresh` brings them to the present step."""

    def __init__(self, draws: CounterRNG) -> None:
        self._draws = draws
        self._kept: dict[tuple, Tensor] = {}

    @property
    def step(self) -> Tensor:
        """The present step, as `CounterRNG.step`."""
        return self._at_its_place("step")

    def uniform(self, name: str, *shape: int) -> Tensor:
        """The numbers of `CounterRNG.uniform`."""
        return self._at_its_place("uniform", name, *shape)

    def normal(self, name: str, *shape: int) -> Tensor:
        """The numbers of `CounterRNG.normal`."""
        return self._at_its_place("normal", name, *shape)

    def integers(self, name: str, high: int, *shape: int) -> Tensor:
        """The numbers of `CounterRNG.integers`."""
        return self._at_its_place("integers", name, high, *shape)

    def permutations(self, name: str, count: int, length: int) -> Tensor:
        """The numbers of `CounterRNG.permutations`."""
        return self._at_its_place("permutations", name, count, length)

    def refresh(self) -> None:
        """Draw again what was ever asked for."""
        for request, kept in self._kept.items():
            kept.copy_(self._drawn(request))

    def _at_its_place(self, *request: Any) -> Tensor:  # noqa: ANN401
        if request not in self._kept:
            self._kept[request] = self._drawn(request).clone()
        return self._kept[request]

    def _drawn(self, request: tuple) -> Tensor:
        method, *arguments = request
        answer = getattr(self._draws, method)
        return answer(*arguments) if arguments else answer


class Updates:
    """Updates of an objective: plain ones on a CPU, recorded ones on a card.

    Args:
        objective: changed in place.
        draws: of the same restarts.
        recorded: None: on a card only.

    """

    def __init__(self, objective: Objective, draws: CounterRNG, *, recorded: bool | None = None) -> None:
        self._objective, self._draws, self._fixed = objective, draws, FixedRNG(draws)
        self._recorded = objective.device.type == "cuda" if recorded is None else recorded
        self._made = 0
        self._images: Tensor | None = None
        self._terms: dict[str, Tensor] = {}
        self._graph: torch.cuda.CUDAGraph | None = None

    def make(self, images: Tensor) -> dict[str, Tensor]:
        """One update; the terms are good until the next one."""
        if not self._recorded:
            return self._objective.update(images, self._draws)
        self._fixed.refresh()
        if self._made < PLAIN_UPDATES:
            self._made += 1
            return self._plain(images)
        kept = self._images
        if kept is None:
            kept = self._images = images.clone()
            self._record(kept)
        kept.copy_(images)
        return self._replay(kept)

    def _plain(self, images: Tensor) -> dict[str, Tensor]:
        if self._objective.device.type != "cuda":
            return self._objective.update(images, self._fixed)
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            terms = self._objective.update(images, self._fixed)
        torch.cuda.current_stream().wait_stream(side)
        return terms

    def _record(self, kept: Tensor) -> None:
        """Recording moves no weight. A CPU has no graphs: there the update is simply made again from the same memory."""
        if self._objective.device.type == "cuda":
            self._graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self._graph):
                self._terms = self._objective.update(kept, self._fixed)

    def _replay(self, kept: Tensor) -> dict[str, Tensor]:
        if self._graph is None:
            return self._objective.update(kept, self._fixed)
        self._graph.replay()
        return self._terms
