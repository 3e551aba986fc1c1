"""Controls, matched to a trained m_ψ in what is stored: as much variance, and as rough.

A pattern may cost a model its alignment because it has variance, because it changes much from one image to the next, or
because of the scalar that it follows. For a control to tell the last apart, the first two must be alike
(`PatternStatistics`). The handles are the gain before tanh, which sets the variance, and the scale of the scalar, which sets
how far along the curve the data reach and thereby the roughness.
"""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from perturb.datasets.ground_truth import FactorGrid
from perturb.perturbation.network import PerturbationNetwork
from perturb.perturbation.pattern import calibrate, calibrate_scalar, measure, scalars_of
from perturb.perturbation.stored import Images, PatternStatistics, Probe
from perturb.variants import Redraw

ROUNDS = 3
"""Searches on a small sample at most, each corrected by what the one before reached on all that is measured."""
NEAR = 0.02
"""Sum of the two errors, as shares, at which no further search is made."""
FEW = {"sample": 320, "steps": 96, "values": 192}
LOG_GAINS = np.arange(-4.0, 14.1, 1.5)
OCTAVES = np.arange(-4.0, 4.1)
"""Octaves of the scale that are tried, beside that at which the control starts."""
NOTHING = 1e-9


@dataclass(frozen=True, kw_only=True)
class Goal:
    """The variance and the roughness that a control is to have."""

    variance: float
    """The variance that the control should have, in the unit of `PatternStatistics.variance`."""
    roughness: float
    """The roughness that it should have, in the unit of `PatternStatistics.roughness`."""

    def missed_by(self, found: PatternStatistics) -> float:
        """Sum of the two logarithmic errors."""
        return _apart(found.variance, self.variance) + _apart(found.roughness, self.roughness)

    def corrected(self, goal: "Goal", found: PatternStatistics) -> "Goal":
        """Return what to ask of the sample next, where asking this of it led to `found` and not to `goal`."""
        return Goal(
            variance=self.variance * _ratio(goal.variance, found.variance),
            roughness=self.roughness * _ratio(goal.roughness, found.roughness),
        )


def control_of(
    trained: PerturbationNetwork, fresh: PerturbationNetwork, grid: FactorGrid, *, redraw: Redraw
) -> PerturbationNetwork:
    """A network with a part of a trained one, calibrated and not yet matched.

    Args:
        trained: calibrated.
        fresh: of the same form, never trained; what is drawn anew comes from it.
        grid: of the data.
        redraw: "both" the scalar and the curve, the "curve" g alone, or the "scalar" s alone. A kept curve keeps the
            statistics that standardise it too, and the fresh scalar gets the trained one's mean and variance.

    """
    control = copy.deepcopy(fresh)
    if redraw == "scalar":
        control = copy.deepcopy(trained)
        control.squeeze.load_state_dict(fresh.squeeze.state_dict())
        calibrate_scalar(control, grid)
        mean, spread = _place(trained, grid)
        own_mean, own_spread = _place(control, grid)
        control.scale.mul_(spread / max(own_spread, NOTHING))
        control.shift.fill_(mean - control.scale.item() * own_mean)
        return control
    if redraw == "curve":
        control.squeeze.load_state_dict(trained.squeeze.state_dict())
    calibrate(control, grid)
    return control


def _place(network: PerturbationNetwork, grid: FactorGrid) -> tuple[float, float]:
    """Mean and standard deviation of the scalar over the data."""
    scalars = scalars_of(network, grid)
    return scalars.mean().item(), scalars.std(unbiased=False).item()


@torch.no_grad()
def match(
    network: PerturbationNetwork, images: Images, grid: FactorGrid, goal: Goal, *, epsilon: float, bound: str, centre: bool
) -> PatternStatistics:
    """Bring a calibrated network to a variance and a roughness by its handles; its statistics then.

    Where the two cannot be had together the nearest roughness is taken; the statistics tell. Nothing is random.

    Args:
        network: changed in its buffers scale, shift, gain and offset.
        images: the originals.
        grid: of the data.
        goal: what is wanted.
        epsilon: what the pattern is multiplied by, of pixels in [0, 1].
        bound: "reflect" or "clip".
        centre: whether every value may be moved to its median before tanh, so that it spends half of the images on either
            side and any variance is in reach; not for a curve that is to be kept.

    """
    search = _Search(network, Probe(images, grid, epsilon=epsilon, bound=bound, **FEW), grid, centre=centre)
    asked, least, best = goal, math.inf, None
    for _ in range(ROUNDS):
        search.run(asked)
        found = measure(network, images, grid, epsilon=epsilon, bound=bound)
        if (missed := goal.missed_by(found)) < least:
            least, best = missed, (found, search.handles())
        if missed < NEAR:
            break
        asked = asked.corrected(goal, found)
    assert best is not None
    reached, handles = best
    search.restore(handles)
    return reached


class _Search:
    """The handles of a network that a goal needs, on a small sample."""

    def __init__(self, network: PerturbationNetwork, probe: Probe, grid: FactorGrid, *, centre: bool) -> None:
        self._network, self._probe, self._centre = network, probe, centre
        self._factors = torch.from_numpy(grid.scaled(probe.numbers))
        mean, _ = _place(network, grid)
        self._first_scale, self._mean = network.scale.item(), mean
        self._first_shift = network.shift.item()
        index = torch.arange(math.prod(network.pattern_shape)).view(1, *network.pattern_shape)
        self._places = network.enlarged(index).flatten()[torch.from_numpy(probe.places)]
        self._log_gain: float | None = None
        self._raw = torch.empty(0)

    def handles(self) -> dict[str, Tensor]:
        """Copies of the four tensors that matching changes, by name."""
        return {name: getattr(self._network, name).clone() for name in ("scale", "shift", "gain", "offset")}

    def restore(self, handles: dict[str, Tensor]) -> None:
        """Put the kept values of the handles back."""
        for name, value in handles.items():
            getattr(self._network, name).copy_(value)

    def run(self, goal: Goal) -> None:
        """Set the handles such that the goal is reached, or its roughness as nearly as possible."""

        def excess(octave: float) -> float:
            return self._at(octave, goal.variance).roughness - goal.roughness

        octave = _nearest_root(excess, OCTAVES, start=0.0, tolerance=0.01)
        self._at(octave, goal.variance)

    def _at(self, octave: float, variance: float) -> PatternStatistics:
        """Statistics at a scale, with the gain that gives the variance."""
        stretch = 2.0**octave
        self._network.scale.fill_(self._first_scale * stretch)
        self._network.shift.fill_(self._mean + stretch * (self._first_shift - self._mean))
        raw = torch.cat([self._network.before_tanh(self._network.scalar(part)) for part in self._factors.split(256)])
        if self._centre:
            self._network.offset.copy_(raw[: self._probe.sample].median(dim=0).values)
        self._raw = (raw - self._network.offset).flatten(1)[:, self._places]

        def excess(log_gain: float) -> float:
            return self._statistics(log_gain).variance - variance

        start = 0.0 if self._log_gain is None else self._log_gain
        near = np.array([start - 1, start + 1])
        known = self._log_gain is not None and excess(near[0]) < 0 < excess(near[1])
        self._log_gain = _nearest_root(excess, near if known else LOG_GAINS, start=start, tolerance=1e-3)
        return self._statistics(self._log_gain)

    def _statistics(self, log_gain: float) -> PatternStatistics:
        self._network.gain.fill_(math.exp(log_gain))
        return self._probe.statistics(lambda rows: self._network.squashed(self._raw[rows]))


def matched_levels(probe: Probe, variance: float) -> tuple[int, int]:
    """The two values of noise whose stored variance is as near as grey levels allow to one that is asked for.

    Of a pixel that the noise moves by either with equal chance, the variance over images and draws follows from both
    changes; none is drawn for it.

    Args:
        probe: of the data.
        variance: in units of ε², as `PatternStatistics.variance`.

    Returns:
        Grey levels (-a, a), or on black and white images, where the mirror leaves no sign, (0, a); a ≤ 255 ε.

    """
    pairs = [(0 if probe.binary else -level, level) for level in range(1, probe.reach + 1)]
    return min(pairs, key=lambda pair: abs(probe.variance_of_two(*pair) - variance))


def _nearest_root(excess: Callable[[float], float], places: np.ndarray, *, start: float, tolerance: float) -> float:
    """Return the zero of `excess` nearest to `start`, or, without one, the place at which its absolute value is smallest."""
    from scipy.optimize import brentq

    found = np.array([excess(place) for place in places])
    crossed = np.flatnonzero(np.sign(found[:-1]) != np.sign(found[1:]))
    if not len(crossed):
        return float(places[np.abs(found).argmin()])
    left = min(crossed, key=lambda i: abs((places[i] + places[i + 1]) / 2 - start))
    root = brentq(excess, places[left], places[left + 1], xtol=tolerance)
    assert isinstance(root, float)
    return root


def _apart(found: float, wanted: float) -> float:
    return abs(math.log((found + NOTHING) / (wanted + NOTHING)))


def _ratio(wanted: float, found: float) -> float:
    """Wanted over found, at most a factor of two either way."""
    return min(max((wanted + NOTHING) / (found + NOTHING), 0.5), 2.0)
