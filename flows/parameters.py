"""Parameters of the flow: the library's configs. Prefect builds a form from their schema, and passes values as in JSON."""

import json
from typing import Annotated, Any

from pydantic import BeforeValidator

from perturb.config import ExperimentConfig, Section
from perturb.execution.settings import RunSettings


def _read(kind: type[Section]) -> BeforeValidator:
    """Return a validator that reads dicts as JSON, which has no tuples or paths; strict validation would demand those."""

    def convert(value: Any) -> Any:  # noqa: ANN401
        return kind.model_validate_json(json.dumps(value)) if isinstance(value, dict) else value

    return BeforeValidator(convert)


Experiment = Annotated[ExperimentConfig, _read(ExperimentConfig)]
Settings = Annotated[RunSettings, _read(RunSettings)]
