"""Controls whose stored patterns match those of a trained m_ψ in variance and roughness.

A pattern may destroy a model's alignment because it adds variance, because it changes a lot from one image to the next, or
because of the scalar that it follows. A control isolates the third cause only if the first two are matched
(`PatternStatistics`). Two parameters are tuned: the gain before tanh sets the variance, and the scale of the scalar sets how
much of the curve the data cover, and thereby the roughness.
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
"""Maximum number of searches on a small sample; each is corrected by the full measurement of the previous result."""
NEAR = 0.02
"""The search stops when the sum of the two relative errors is below this."""
FEW = {"sample": 320, "steps": 96, "values": 192}
LOG_GAINS = np.arange(-4.0, 14.1, 1.5)
OCTAVES = np.arange(-4.0, 4.1)
"""Scales that are tried, in octaves relative to the control's initial scale."""
NOTHING = 1e-9


@dataclass(frozen=True, kw_only=True)
class Goal:
    """The target variance and roughness of a control."""

    variance: float
    """Target variance, in the unit of `PatternStatistics.variance`."""
    roughness: float
    """Target roughness, in the unit of `PatternStatistics.roughness`."""

    def missed_by(self, found: PatternStatistics) -> float:
        """Return the sum of the two absolute log errors."""
        return _apart(found.variance, self.variance) + _apart(found.roughness, self.roughness)

    def corrected(self, goal: "Goal", found: PatternStatistics) -> "Goal":
        """Return the next target for the sample, given that this target led to `found` instead of `goal`."""
        return Goal(
            variance=self.variance * _ratio(goal.variance, found.variance),
            roughness=self.roughness * _ratio(goal.roughness, found.roughness),
        )


def control_of(
    trained: PerturbationNetwork, fresh: PerturbationNetwork, grid: FactorGrid, *, redraw: Redraw
) -> PerturbationNetwork:
    """Build a control that keeps part of a trained network; it is calibrated but not yet matched.

    Args:
        trained: The trained network, calibrated.
        fresh: An untrained network of the same form, which supplies the redrawn parts.
        grid: Factor grid of the data.
        redraw: What to redraw: "both" the scalar and the curve, only the "curve" g, or only the "scalar" s. If the curve is
            kept, so are its standardisation statistics, and the new scalar gets the mean and variance of the trained one.

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
    """Return the mean and standard deviation of the scalar over the data."""
    scalars = scalars_of(network, grid)
    return scalars.mean().item(), scalars.std(unbiased=False).item()


@torch.no_grad()
def match(
    network: PerturbationNetwork, images: Images, grid: FactorGrid, goal: Goal, *, epsilon: float, bound: str, centre: bool
) -> PatternStatistics:
    """Tune a calibrated network to a target variance and roughness, and return its resulting statistics.

    If both cannot be reached together, the nearest possible roughness is used, as the returned statistics show. The search
    is deterministic.

    Args:
        network: The network; its buffers scale, shift, gain and offset are changed in place.
        images: The original images.
        grid: Factor grid of the data.
        goal: Target variance and roughness.
        epsilon: Scale of the pattern, for pixels in [0, 1].
        bound: "reflect" or "clip".
        centre: Whether to shift every value to its median before tanh. Each value then lies on either side for half of the
            images, so that any variance can be reached. Must be False if the curve is to be kept.

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
    """Search for the parameters of a network that reach a goal on a small sample."""

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
        """Return copies of the four buffers that matching changes, by name."""
        return {name: getattr(self._network, name).clone() for name in ("scale", "shift", "gain", "offset")}

    def restore(self, handles: dict[str, Tensor]) -> None:
        """Restore saved values of the four buffers."""
        for name, value in handles.items():
            getattr(self._network, name).copy_(value)

    def run(self, goal: Goal) -> None:
        """Set the buffers so that the goal is reached, or its roughness as closely as possible."""

        def excess(octave: float) -> float:
            return self._at(octave, goal.variance).roughness - goal.roughness

        octave = _nearest_root(excess, OCTAVES, start=0.0, tolerance=0.01)
        self._at(octave, goal.variance)

    def _at(self, octave: float, variance: float) -> PatternStatistics:
        """Return the statistics at a scale, with the gain that gives the variance."""
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
    """Return the two noise values whose stored variance is as close to a target as grey levels allow.

    The noise changes each pixel by one of the two values with equal probability, so the variance over images and draws is
    computed from the two changes, without drawing noise.

    Args:
        probe: Probe of the data.
        variance: Target variance in units of ε², as `PatternStatistics.variance`.

    Returns:
        Grey levels (-a, a), or (0, a) for black and white images, where the reflection removes the sign; a ≤ 255 ε.

    """
    pairs = [(0 if probe.binary else -level, level) for level in range(1, probe.reach + 1)]
    return min(pairs, key=lambda pair: abs(probe.variance_of_two(*pair) - variance))


def _nearest_root(excess: Callable[[float], float], places: np.ndarray, *, start: float, tolerance: float) -> float:
    """Return the zero of `excess` nearest to `start`, or, without one, the place where its absolute value is smallest."""
    from scipy.optimize import brentq

    excesses = np.array([excess(place) for place in places])
    crossed = np.flatnonzero(np.sign(excesses[:-1]) != np.sign(excesses[1:]))
    if not len(crossed):
        return float(places[np.abs(excesses).argmin()])
    left = min(crossed, key=lambda i: abs((places[i] + places[i + 1]) / 2 - start))
    root = brentq(excess, places[left], places[left + 1], xtol=tolerance)
    assert isinstance(root, float)
    return root


def _apart(found: float, wanted: float) -> float:
    return abs(math.log((found + NOTHING) / (wanted + NOTHING)))


def _ratio(wanted: float, found: float) -> float:
    """Return wanted / found, clamped to a factor of two either way."""
    return min(max((wanted + NOTHING) / (found + NOTHING), 0.5), 2.0)
