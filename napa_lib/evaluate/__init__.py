"""How good the pose estimator is: on figures in art (`napa evaluate --art`), on calibrated video (`--video`)."""

from napa_lib.evaluate.art import ArtScore, Rate, art_rates, predict_art, score_art
from napa_lib.evaluate.video import VideoScore, predict_video, score_video

__all__ = [
    "ArtScore",
    "Rate",
    "VideoScore",
    "art_rates",
    "predict_art",
    "predict_video",
    "score_art",
    "score_video",
]
