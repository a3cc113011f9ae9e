"""Put finished trainings of chapter 7 among the assets: results as they are, the source, beta and the tau that ship.

    python -m tools.ship_adaptation runs/flexpose

The folder holds what `make results ONLY=07` made.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from napa_lib.adaptation.experiments import SHIPPED
from napa_lib.adaptation.store import load_regressor, load_source, load_transfer
from napa_lib.data.assets import assets_root
from napa_lib.results import read


def main(folder: Path) -> None:
    results, weights = assets_root() / "results" / "adaptation", assets_root() / "weights"
    results.mkdir(parents=True, exist_ok=True)
    for path in sorted(folder.glob("*.json")):
        read(path)  # raises where it is no result
        shutil.copyfile(path, results / path.name)
    files = {"source": "warm", "beta": "beta", **{f"tau_{name}": f"tau_{name}" for name in SHIPPED}}
    load_source(folder / "warm.safetensors")  # raises where it is none
    load_regressor(folder / "beta.safetensors")
    for name in SHIPPED:
        load_transfer(folder / f"tau_{name}.safetensors")
    for name, file in files.items():
        shutil.copyfile(folder / f"{file}.safetensors", weights / f"flexpose_{name}.safetensors")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
