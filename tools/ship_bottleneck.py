"""Put finished trainings of chapter 3 among the assets: records as they are, the models in 8 bits.

    python -m tools.ship_bottleneck runs/kg

The folder holds NAME_SEED.json and .safetensors as `python -m napa_lib.bottleneck.train` writes them. The models that
ship are seed 0's of SHIPPED; each is measured again from the file that ships, on "studio:test".
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from napa_lib.bottleneck import errors_by_motion, load_model, open_clips, predict_clips, save_model
from napa_lib.data.assets import assets_root
from napa_lib.results import NAME, read_runs

SHIPPED = {"ours": "ours_longer", "cyclegan": "cyclegan"}  # of `load_pretrained`: the run


def main(folder: Path) -> None:
    results = assets_root() / "results" / "bottleneck"
    results.mkdir(parents=True, exist_ok=True)
    read_runs(folder)  # raises where one is no result
    for path in sorted(folder.glob("*.json")):
        if NAME.fullmatch(path.name):
            shutil.copyfile(path, results / path.name)
    test = open_clips("studio:test", 64)
    weights = assets_root() / "weights"
    if (smuggler := folder / "smuggler_0.safetensors").is_file():
        shutil.copyfile(smuggler, weights / "keypointgan_smuggler.safetensors")
    for rung, run in SHIPPED.items():
        model = load_model(folder / f"{run}_0.safetensors")
        path = weights / f"keypointgan_{rung}.safetensors"
        save_model(path, model, model.config, small=True)
        errors = errors_by_motion(predict_clips(load_model(path).predict, test), test)["all"]
        print(path.name, path.stat().st_size, json.dumps(errors))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
