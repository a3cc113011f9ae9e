"""Put finished trainings of chapter 6 among the assets: results as they are, the teacher, and networks of seed 0.

    python -m tools.ship_multiperson runs/multiperson

The folder holds what `make results ONLY=06` made.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from napa_lib.data.assets import assets_root
from napa_lib.engine import load_tensors
from napa_lib.multiperson.store import load_network, save_network
from napa_lib.results import read

NETWORKS = {  # among the assets -> in the folder, and what it is
    "multiperson_teacher": ("teacher", "teacher"),
    "multiperson_lifter": ("adapt_0_lifter", "lifter"),
    "multiperson_maps_adapt": ("adapt_0_encoder", "encoder"),
    "multiperson_maps_recon": ("recon_0_encoder", "encoder"),
}


def main(folder: Path) -> None:
    results, weights = assets_root() / "results" / "multiperson", assets_root() / "weights"
    results.mkdir(parents=True, exist_ok=True)
    for path in sorted(folder.glob("*.json")):
        read(path)  # raises where it is no result
        shutil.copyfile(path, results / path.name)
    for name, (file, kind) in NETWORKS.items():
        source = folder / f"{file}.safetensors"
        header = {"config": load_tensors(source)[1]["config"]}
        save_network(weights / f"{name}.safetensors", kind, load_network(source, kind), header)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
