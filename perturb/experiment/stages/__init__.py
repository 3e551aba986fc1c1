"""Builders of runs, one per kind: they read the inputs, call the library and write the files."""

from perturb.experiment.stages.codes import build_codes
from perturb.experiment.stages.controls import build_control
from perturb.experiment.stages.files import build_file, build_pixels
from perturb.experiment.stages.images import build_images
from perturb.experiment.stages.over_steps import build_over_steps
from perturb.experiment.stages.perturbation import build_perturbation
from perturb.experiment.stages.prediction import build_prediction
from perturb.experiment.stages.published import build_published
from perturb.experiment.stages.readout import build_readout, build_variances
from perturb.experiment.stages.training import build_scores, build_selection, build_training, build_trainings
from perturb.report.build import build_report
from perturb.runs import Stage

STAGES = {
    "images": Stage(version=2, build=build_images),
    "restart": Stage(version=6, build=build_training, build_together=build_trainings),
    "scores": Stage(version=4, build=build_scores),
    "codes": Stage(version=1, build=build_codes),
    "over_steps": Stage(version=1, build=build_over_steps),
    "selection": Stage(version=2, build=build_selection),
    "perturbation": Stage(version=3, build=build_perturbation),
    "untrained": Stage(version=3, build=build_control),
    "published": Stage(version=1, build=build_published),
    "file": Stage(version=2, build=build_file),
    "pixels": Stage(version=1, build=build_pixels),
    "readout": Stage(version=1, build=build_readout),
    "variances": Stage(version=1, build=build_variances),
    "prediction": Stage(version=2, build=build_prediction),
    "report": Stage(version=23, build=build_report),
}
"""Stages by kind of run. Bump a version when the same config would give another result, so that old runs are not reused."""
