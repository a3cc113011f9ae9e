"""What is measured of chapter 6 beside the whole system, with what ships: part of `make results ONLY=06`."""

from __future__ import annotations

from napa_lib.evaluate.video_rows import JUDGED
from napa_lib.experiments import Experiment

FOLDER = "runs/multiperson"
MODULES = {  # -> what it writes, and seconds
    "painted": ("paintings", 40), "speed": ("speed", 80), "two_people": ("video", 200), "composed": ("composed", 200),
    "proposals": ("proposals", 260),
}  # fmt: skip
EXPERIMENTS = {
    "video_rows": Experiment(
        f"napa_lib.evaluate.video_rows --results {FOLDER}/video_rows.json",
        f"{FOLDER}/video_rows.json",
        120,
        after=JUDGED,
    ),
} | {
    name: Experiment(f"napa_lib.evaluate.{module} --results {FOLDER}/{name}.json", f"{FOLDER}/{name}.json", seconds)
    for module, (name, seconds) in MODULES.items()
}
