"""Prediction of a pattern's effect with the frozen encoders that m_ψ was trained against."""

from perturb.analysis.prediction import Prediction, predict_for
from perturb.analysis.saved_analyses import PredictionRun
from perturb.datasets import grid_of
from perturb.datasets.hdf5.reader import BenchmarkFile
from perturb.datasets.saved_images import open_images
from perturb.manifests import run_file
from perturb.perturbation.selection import Selection
from perturb.runs import StageContext, read_result
from perturb.training.saved_models import load_model


def build_prediction(context: StageContext[PredictionRun]) -> Prediction:
    """Predict a pattern's effect by turning the codes of the disentangled restarts.

    Inputs are images, file, selection, restart-0, restart-1, … Only a few thousand images are read, so the file need not be
    unpacked.
    """
    config, chosen = context.spec.config, read_result(context.inputs["selection"], Selection).disentangled
    models = [load_model(context.inputs[f"restart-{index}"], context.device) for index in chosen]
    originals, variant = open_images(context.inputs["images"]), BenchmarkFile(run_file(context.inputs["file"], "*.h5"))
    return predict_for(models, originals, variant, grid_of(config.dataset), price=config.price, seed=config.seed)
