"""Random numbers of a training: a pure function of (restart's seed, name, step, position).

The generator is counter-based (Philox4x32-10, Salmon et al. 2011), written in integer tensor operations. A restart therefore
draws the same numbers alone or in a stack of fifty, on any device, and the random state of a training is its step: resuming
from a checkpoint needs nothing else. Numbers are generated for many steps at a time, since a single step needs few.
"""

import hashlib
import math
from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor

STEPS_AT_ONCE = 64
WORD = 0xFFFFFFFF
_MULTIPLIERS = 0xD2511F53, 0xCD9E8D57
_WEYL = 0x9E3779B9, 0xBB67AE85
_ROUNDS = 10


def philox(counter: tuple[Tensor, ...], key: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return four random words for each counter.

    All words are int64 tensors with values in [0, 2^32), of broadcastable shapes.

    Args:
        counter: four words.
        key: two words.

    """
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(_ROUNDS):
        # Products wrap modulo 2^64. Their bits are right, although int64 interprets them as signed.
        p0, p1 = c0 * _MULTIPLIERS[0], c2 * _MULTIPLIERS[1]
        c0, c1, c2, c3 = ((p1 >> 32) & WORD) ^ c1 ^ k0, p1 & WORD, ((p0 >> 32) & WORD) ^ c3 ^ k1, p0 & WORD
        k0, k1 = (k0 + _WEYL[0]) & WORD, (k1 + _WEYL[1]) & WORD
    return c0, c1, c2, c3


class StepRNG(Protocol):
    """The random numbers of the current step, as drawn by an objective. The first axis of every array is the restart."""

    @property
    def step(self) -> Tensor:
        """The current step, int64 ()."""
        ...

    def uniform(self, name: str, *shape: int) -> Tensor:
        """Draw uniform numbers in [0, 1), float32 (restarts, *shape)."""
        ...

    def normal(self, name: str, *shape: int) -> Tensor:
        """Draw standard normal numbers, float32 (restarts, *shape)."""
        ...

    def integers(self, name: str, high: int, *shape: int) -> Tensor:
        """Draw integers in [0, high), int64 (restarts, *shape)."""
        ...

    def permutations(self, name: str, count: int, length: int) -> Tensor:
        """Draw permutations of 0 … length − 1, int64 (restarts, count, length)."""
        ...


class CounterRNG:
    """Random numbers for several restarts at the step set by `set_step`. The first axis of every array is the restart.

    Args:
        seeds: one per restart, in [0, 2^64).
        device: where the numbers are generated.

    """

    def __init__(self, seeds: Sequence[int], device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)
        self.seeds = tuple(seeds)
        words = torch.tensor([[seed & WORD, (seed >> 32) & WORD] for seed in seeds], device=self.device)
        self._key = words[:, 0, None, None], words[:, 1, None, None]
        self._step = 0
        self._made: dict[tuple, Tensor] = {}

    def set_step(self, step: int) -> None:
        """Move to a step, forwards or backwards."""
        if step // STEPS_AT_ONCE != self._step // STEPS_AT_ONCE:
            self._made.clear()
        self._step = step

    @property
    def step(self) -> Tensor:
        """The current step, int64 ()."""
        return torch.tensor(self._step, device=self.device)

    def uniform(self, name: str, *shape: int) -> Tensor:
        """Draw uniform numbers in [0, 1), float32 (restarts, *shape)."""
        return self._drawn(name, "uniform", shape, lambda bits: ((bits >> 8).double() / 2**24).float())

    def normal(self, name: str, *shape: int) -> Tensor:
        """Draw standard normal numbers, float32 (restarts, *shape), by the Box–Muller method in float64."""
        return self._drawn(name, "normal", shape, _normal)

    def integers(self, name: str, high: int, *shape: int) -> Tensor:
        """Draw integers in [0, high), int64 (restarts, *shape); `high` is at most 2^31."""
        return self._drawn(name, f"integers {high}", shape, lambda bits: (bits * high) >> 32)

    def permutations(self, name: str, count: int, length: int) -> Tensor:
        """Draw permutations of 0 … length − 1, int64 (restarts, count, length)."""
        bits = self._drawn(name, "words", (count, length), lambda bits: bits)
        return bits.argsort(dim=-1, stable=True)

    def _drawn(self, name: str, kind: str, shape: tuple[int, ...], made_of: Callable[[Tensor], Tensor]) -> Tensor:
        key = (name, kind, shape)
        if key not in self._made:
            count = math.prod(shape)
            numbers = made_of(self._bits(name, count + count % 2))[..., :count]
            self._made[key] = numbers.reshape(*numbers.shape[:2], *shape)
        return self._made[key][:, self._step % STEPS_AT_ONCE]

    def _bits(self, name: str, count: int) -> Tensor:
        """Generate the words for the chunk of steps around the current one, (restarts, steps, count)."""
        stream = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")
        first = self._step - self._step % STEPS_AT_ONCE
        steps = torch.arange(first, first + STEPS_AT_ONCE, device=self.device)[None, :, None]
        blocks = torch.arange(-(-count // 4), device=self.device)[None, None, :]
        streams = torch.full_like(blocks, stream)
        words = philox((blocks, streams, steps & WORD, steps >> 32), self._key)
        return torch.stack(torch.broadcast_tensors(*words), dim=-1).flatten(2)[..., :count]


def _normal(bits: Tensor) -> Tensor:
    """Convert words (restarts, steps, even number) to as many normal numbers: two words give two."""
    radius = torch.sqrt(-2 * torch.log((bits[..., 0::2].double() + 1) / 2**32))
    angle = bits[..., 1::2].double() * (2 * math.pi / 2**32)
    return torch.stack([radius * torch.cos(angle), radius * torch.sin(angle)], dim=-1).flatten(2).float()
