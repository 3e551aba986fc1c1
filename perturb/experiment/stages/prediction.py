"""The prediction of a pattern's effect, by the frozen encoders that m_ψ was trained against."""

from perturb.analysis.prediction import Prediction, predict_for
from perturb.analysis.saved_analyses import PredictionRun
from perturb.datasets import grid_of
from perturb.datasets.saved_images import open_images
from perturb.perturbation.selection import Selection
from perturb.runs import StageContext, read_result
from perturb.training.saved_models import load_model


def build_prediction(context: StageContext[PredictionRun]) -> Prediction:
    """Turn the codes of the disentangled restarts; inputs are images, pixels, selection, restart-0, restart-1, …"""
    config, chosen = context.spec.config, read_result(context.inputs["selection"], Selection).disentangled
    models = [load_model(context.inputs[f"restart-{index}"], context.device) for index in chosen]
    originals, variant = open_images(context.inputs["images"]), open_images(context.inputs["pixels"])
    return predict_for(models, originals, variant, grid_of(config.dataset), price=config.price, seed=config.seed)
