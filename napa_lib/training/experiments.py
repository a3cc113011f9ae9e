"""The runs of chapter 8: what each stage adds, whether stylised pictures help on art, and the estimator that ships."""

from __future__ import annotations

from napa_lib.experiments import Experiment

EVALUATE = "napa_lib.cli evaluate"

EXPERIMENTS = {
    "stages": Experiment(  # all parts of a seed; the last one that it makes is named
        "napa_lib.training.contributions --half --seed {seed} --work runs/training --results runs/training",
        "runs/training/unsupervised_{seed}.json", 1200, (0, 1, 2),
    ),
    "styles": Experiment(
        "napa_lib.training.styles --half --seed {seed} --results runs/training", "runs/training/styles_{seed}.json",
        500, (0, 1, 2),
    ),
    "mixing": Experiment(  # two of its six trainings are those of styles
        "napa_lib.training.mixing --half --seed {seed} --results runs/training", "runs/training/mixing_{seed}.json",
        250, (0, 1, 2),
    ),
    "longer": Experiment(
        "napa_lib.training.mixing --half --steps 800 --shares 0 1 --name longer --work runs/longer --seed {seed} "
        "--results runs/training", "runs/training/longer_{seed}.json", 240, (0, 1, 2),
    ),
    "pseudo_labels": Experiment(
        "napa_lib.training.pseudo_labels --seed {seed} --results runs/training", "runs/training/pseudo_{seed}.json",
        180, (0, 1, 2),
    ),
    "art_depths": Experiment(
        "napa_lib.training.art_depths --seed {seed} --results runs/training", "runs/training/art_depths_{seed}.json",
        120,
    ),
    "own_art": Experiment(
        "napa_lib.training.own_art --half --seed {seed} --results runs/training", "runs/training/own_art_{seed}.json",
        270, (0, 1, 2),
    ),
    "stylised_training": Experiment(
        "napa_lib.training.claim --out runs/pose/stylised_training.json --steps 300 --size 96 --half",
        "runs/pose/stylised_training.json", 2600,
    ),
    "napa_art": Experiment(f"{EVALUATE} --art --json runs/pose/napa_art.json", "runs/pose/napa_art.json", 25),
    "napa_art_without_boxes": Experiment(
        f"{EVALUATE} --art --no-boxes --json runs/pose/napa_art_without_boxes.json",
        "runs/pose/napa_art_without_boxes.json", 350,
    ),
    "napa_video": Experiment(f"{EVALUATE} --video --json runs/pose/napa_video.json", "runs/pose/napa_video.json", 50),
}  # fmt: skip
