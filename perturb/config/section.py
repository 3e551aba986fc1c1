"""The base class of all sections of a config."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A frozen part of a config. Unknown keys and values of the wrong type are errors; nothing is coerced."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False, use_attribute_docstrings=True)
