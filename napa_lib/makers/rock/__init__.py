"""Figures as on painted rocks, with exact joints: lesson 09's pictures for those who bring none."""
