"""Put finished trainings of chapter 5 among the assets: results as they are, and the networks of seed 0.

    python -m tools.ship_sampling runs/sampling

The folder holds what `make results ONLY=05` made.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from napa_lib.data.assets import assets_root
from napa_lib.results import read
from napa_lib.sampling.store import PRETRAINED, load_autoencoder


def main(folder: Path) -> None:
    results, weights = assets_root() / "results" / "sampling", assets_root() / "weights"
    results.mkdir(parents=True, exist_ok=True)
    for path in sorted(folder.glob("*.json")):
        read(path)  # raises where it is no result
        shutil.copyfile(path, results / path.name)
    for name in PRETRAINED:
        load_autoencoder(folder / f"{name}_0.safetensors")  # raises where it is none
        shutil.copyfile(folder / f"{name}_0.safetensors", weights / f"pose_autoencoder_{name}.safetensors")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
