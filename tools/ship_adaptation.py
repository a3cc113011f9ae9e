"""Put finished trainings of chapter 7 among the assets: results as they are, the networks that ship in 8 bits.

    python -m tools.ship_adaptation runs/flexpose

The folder holds what `make results ONLY=07` made.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from napa_lib.adaptation.store import (
    FACES,
    TARGETS,
    TAUGHT,
    load_regressor,
    load_source,
    load_transfer,
    save_regressor,
    save_source,
    save_transfer,
)
from napa_lib.data.assets import assets_root
from napa_lib.results import read


def main(folder: Path) -> None:
    results, weights = assets_root() / "results" / "adaptation", assets_root() / "weights"
    results.mkdir(parents=True, exist_ok=True)
    for path in sorted(folder.glob("*.json")):
        read(path)  # raises where it is no result
        shutil.copyfile(path, results / path.name)
    for name, trained in (("source", "warm"), ("faces_source", "warm_faces")):
        save_source(
            weights / f"flexpose_{name}.safetensors", load_source(folder / f"{trained}.safetensors"), small=True
        )
    for name, trained in (("beta", "beta"), ("faces_beta", "beta_faces"), (f"beta_{TAUGHT}", "taught")):
        network = load_regressor(folder / f"{trained}.safetensors")
        save_regressor(weights / f"flexpose_{name}.safetensors", network, small=True)
    for name in (*TARGETS, FACES):
        transfer = load_transfer(folder / f"tau_{name}.safetensors")
        save_transfer(weights / f"flexpose_tau_{name}.safetensors", transfer, small=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
