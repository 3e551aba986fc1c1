"""The base class of all sections of a config."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A frozen part of a config: unknown keys and values of another type are errors, never coerced."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False, use_attribute_docstrings=True)
