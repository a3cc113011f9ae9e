"""Draw a folder of pictures with its annotations: `python -m napa_lib.makers.rock --out FOLDER --count 48 --seed 0`.

`figures.json` has the form that `napa annotate` writes and `napa evaluate --annotations` reads. The poses are motion
capture's, each from a side of its own.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from napa_lib.data.mocap import load_mocap_poses
from napa_lib.data.views import to_camera
from napa_lib.files import write_text
from napa_lib.loop import command
from napa_lib.makers.rock.figures import draw_rock_art
from napa_lib.skeletons import ART14, NAPA18, convert

HEAD = 0.6  # half the side of a head's box, in distances from neck to head top, as `napa annotate` has it
ELEVATION = 0.15  # radians: the standard deviation of the angle from above or below


def seen_poses(count: int, split: str, generator: torch.Generator) -> Tensor:
    """Poses of motion capture as somebody sees them who stands anywhere round them: (N, 18, 2) mm, y down."""
    poses = load_mocap_poses(split)
    chosen = poses[torch.randint(len(poses), (count,), generator=generator)]
    azimuth = 2 * math.pi * torch.rand(count, generator=generator)
    return to_camera(chosen, azimuth, ELEVATION * torch.randn(count, generator=generator))[..., :2]


def describe(keypoints: Tensor, file: str, size: int) -> dict:
    """A figure's entry: all joints seen; left and right cannot be told, as a silhouette has no face."""
    joints = convert(keypoints[None], NAPA18, ART14)[0]
    top, neck = joints[ART14.index("head_top")], joints[ART14.index("upper_neck")]
    middle, half = (top + neck) / 2, HEAD * float((top - neck).norm())
    box = [round(v, 1) for v in (*(middle - half).tolist(), *(middle + half).tolist())]
    marked = [[round(x, 1), round(y, 1), 1] for x, y in joints.tolist()]
    return {"file": file, "size": [size, size], "kind": "painting", "sides_ambiguous": True, "head_box": box,
            "joints": marked}  # fmt: skip


def write_folder(folder: Path, count: int, size: int, split: str, seed: int) -> None:
    """Draw `count` pictures of `size` pixels into a folder, and `figures.json` beside them.

    Raises:
        ValueError: for a count below 1, pictures of less than 16 pixels or another split.
    """
    if count < 1 or size < 16:
        raise ValueError(f"count must be positive and size at least 16, got {count} and {size}")
    generator = torch.Generator().manual_seed(seed)
    drawn = draw_rock_art(seen_poses(count, split, generator), size, generator)
    folder.mkdir(parents=True, exist_ok=True)
    figures = []
    for number, (image, keypoints) in enumerate(zip(drawn.images, drawn.keypoints, strict=True), 1):
        name = f"rock_{number:02d}.webp"
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(folder / name, quality=70, method=6)
        figures.append(describe(keypoints, name, size))
    names = [name.replace("upper_neck", "neck") for name in ART14.joints]
    text = json.dumps({"joint_names": names, "figures": figures})
    write_text(folder / "figures.json", text.replace('{"file"', '\n{"file"') + "\n")


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m napa_lib.makers.rock", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for the pictures")
    parser.add_argument("--count", type=int, default=48, help="how many")
    parser.add_argument("--size", type=int, default=224, help="side of the pictures in pixels")
    parser.add_argument("--split", default="test", help="of motion capture: train, validation or test")
    parser.add_argument("--seed", type=int, default=0, help="a seed always gives the same pictures")
    options = parser.parse_args(arguments)
    with command():
        write_folder(options.out, options.count, options.size, options.split, options.seed)


if __name__ == "__main__":
    main()
