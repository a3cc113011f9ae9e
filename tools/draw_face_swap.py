"""Write `assets/figures/faces_swap.jpg`: faces in each other's poses, drawn by a model trained on faces.

    python tools/draw_face_swap.py runs/kg/faces_ours_longer_0.safetensors

The model does not ship; `assets/weights/keypointgan.md` has the commands that train it.
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib.pyplot as plt

from napa_lib.bottleneck import KeypointGAN, load_model, open_clips
from napa_lib.data.assets import assets_root
from napa_lib.data.manifest import update_manifest
from napa_lib.study.lessons.lesson_03.pictures import first_frames, swap_figure

NAME = "figures/faces_swap.jpg"


def main(path: Path) -> None:
    model = load_model(path)
    if not isinstance(model, KeypointGAN):
        raise ValueError(f"{path} holds no KeypointGAN")
    poses = first_frames(open_clips("faces:test", model.config.size), 12)[1::2]
    looks = first_frames(open_clips("faces:validation", model.config.size), 8, frame=2)[::2]
    page = swap_figure(model, poses, looks)
    page.savefig(assets_root() / NAME, dpi=110, bbox_inches="tight", pil_kwargs={"quality": 80, "optimize": True})
    plt.close(page)
    source = "drawn by python tools/draw_face_swap.py from faces in assets/, with a model that does not ship"
    update_manifest([NAME], source=source, licence="MIT")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
