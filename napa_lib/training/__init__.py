"""Chapter 8: NAPA end to end in four stages; the pose network alone, from frozen features or a warm start; pictures."""

from napa_lib.checkpoints import resume
from napa_lib.training.figures import FigureSet, open_figures
from napa_lib.training.objective import NapaLosses, napa_losses
from napa_lib.training.run import load_stage, load_styles, run_stage
from napa_lib.training.stages import STAGES, Ratios, Stage, TrainingConfig
from napa_lib.training.supervision import supervision_losses
from napa_lib.training.system import NapaModel, Passed, Styles, build_model

__all__ = [
    "STAGES",
    "FigureSet",
    "NapaLosses",
    "NapaModel",
    "Passed",
    "Ratios",
    "Stage",
    "Styles",
    "TrainingConfig",
    "build_model",
    "load_stage",
    "load_styles",
    "napa_losses",
    "open_figures",
    "resume",
    "run_stage",
    "supervision_losses",
]
