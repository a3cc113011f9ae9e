"""What pyproject.toml cannot say: a wheel holds, of `assets/`, what inference needs."""

from __future__ import annotations

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

# Below assets/: the weights of `PoseEstimator.from_pretrained` with their cards and licences. The manifest lists all
# files, with their hashes, so that the others can be fetched and verified.
PACKAGED = (
    "manifest.json", "weights/*pose_net*", "weights/pose_ensemble*", "weights/pose_tree*", "weights/movenet*",
    "weights/blazepose*", "weights/vgg19_q8*", "weights/depthnet_tiny*",
    "weights/LICENSE*", "weights/NOTICE*",
)  # fmt: skip


class BuildWithAssets(build_py):
    """Copies them to napa_lib/assets in the wheel; an editable installation reads them where they lie."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        source, target = Path(__file__).parent / "assets", Path(self.build_lib) / "napa_lib" / "assets"
        for pattern in PACKAGED:
            for file in sorted(source.glob(pattern)):
                place = target / file.relative_to(source)
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, place)
        if not (target / "weights").is_dir():
            raise SystemExit(f"there are no weights in {source}: build from a whole checkout")


setup(cmdclass={"build_py": BuildWithAssets})
