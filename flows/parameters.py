"""Parameters of the flow: the library's configs. Prefect makes a form of their schema, and hands over what JSON can hold."""

import json
from typing import Annotated, Any

from pydantic import BeforeValidator

from perturb.config import ExperimentConfig, Section
from perturb.execution.settings import RunSettings


def _read(kind: type[Section]) -> BeforeValidator:
    """JSON has no tuples and no paths; in strict Python these would have to be there already."""

    def convert(value: Any) -> Any:  # noqa: ANN401
        return kind.model_validate_json(json.dumps(value)) if isinstance(value, dict) else value

    return BeforeValidator(convert)


Experiment = Annotated[ExperimentConfig, _read(ExperimentConfig)]
Settings = Annotated[RunSettings, _read(RunSettings)]
