"""Networks: architectures and initialisation only."""

from perturb.models.architecture import ARCHITECTURES, Architecture
from perturb.models.layers import glorot_uniform_

__all__ = ["ARCHITECTURES", "Architecture", "glorot_uniform_"]
