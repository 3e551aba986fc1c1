"""What a model minimises, and with which weights. One class per method; `kind` is its key in OBJECTIVES."""

from typing import Annotated, Literal, get_args

from pydantic import Field

from perturb.config.section import Section


class BetaVAEConfig(Section):
    """β-VAE (Higgins et al. 2017): reconstruction + β · KL, both summed over their dimensions, mean over the batch."""

    kind: Literal["beta_vae"] = "beta_vae"
    beta: float = Field(default=8.0, ge=0)
    """Weight of the KL term in nats per image (thesis Table 4.1: 8 for dSprites, 32 for Shapes3D)."""


class AutoencoderConfig(Section):
    """Autoencoder: the same networks, the code is the posterior mean, no noise and no KL term."""

    kind: Literal["autoencoder"] = "autoencoder"


_Objectives = BetaVAEConfig | AutoencoderConfig
ObjectiveConfig = Annotated[_Objectives, Field(discriminator="kind")]
OBJECTIVE_KINDS = tuple(config.model_fields["kind"].default for config in get_args(_Objectives))
