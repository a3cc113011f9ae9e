"""What is measured of chapter 6 beside the whole system, with what ships: part of `make results ONLY=06`."""

from __future__ import annotations

from napa_lib.experiments import Experiment

FOLDER = "runs/multiperson"
EXPERIMENTS = {
    "paintings": Experiment(
        f"napa_lib.evaluate.painted --results {FOLDER}/paintings.json", f"{FOLDER}/paintings.json", 40
    ),
}
