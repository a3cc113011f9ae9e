"""Drawn people with exact joints: training pictures for figures that no photograph shows."""

from napa_lib.makers.drawings.figures import Drawings, draw_figures

__all__ = ["Drawings", "draw_figures"]
