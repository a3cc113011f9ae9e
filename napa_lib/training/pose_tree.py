"""Count how joints lie to each other, for the estimator: `python -m napa_lib.training.pose_tree --help`."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor

from napa_lib.data.crops import crop_matrices, to_crop
from napa_lib.files import prepare_file
from napa_lib.loop import command
from napa_lib.networks.heatmaps import STRIDE
from napa_lib.networks.pose_net import MIRRORED
from napa_lib.networks.pose_tree import CELLS, RADIUS, PoseTree, count_offsets, save_pose_tree
from napa_lib.results import command_line
from napa_lib.skeletons import NAPA18
from napa_lib.training.augment import figure_boxes
from napa_lib.training.claim import photo_pictures
from napa_lib.training.pictures import read_pictures

BLUR = 2.0  # cells; chosen on validation figures


def whole_figures(keypoints: Tensor) -> Tensor:
    """(B, 18, 2) px, NaN where a joint is missing -> (2 N, 18, 2): whole figures as their crops show them, in cells
    from the crop's corner, and their mirror images about its left edge.

    Raises:
        ValueError: if no figure is whole.
    """
    whole = keypoints[~keypoints.isnan().any(-1).any(-1)]
    if not len(whole):
        raise ValueError("the pictures hold no figure with all of its joints")
    cells = to_crop(whole, crop_matrices(figure_boxes(whole), CELLS * STRIDE)) / STRIDE
    return torch.cat([cells, cells[:, MIRRORED] * cells.new_tensor([-1.0, 1.0])])


def main(arguments: list[str] | None = None) -> None:
    """Count the offsets of joints from their parents on pictures with joints: the people that ship, and folders."""
    parser = argparse.ArgumentParser(prog="python -m napa_lib.training.pose_tree", description=main.__doc__)
    parser.add_argument("--data", nargs="+", default=[], metavar="FOLDER", help="more shards; each counts as the first")
    parser.add_argument("--out", type=Path, required=True, help="safetensors file to write")
    options = parser.parse_args(arguments)
    with command():
        prepare_file(options.out)
        sources = [photo_pictures("train"), *map(read_pictures, options.data)]
        counts = [count_offsets(whole_figures(s.keypoints), NAPA18.parents, RADIUS, BLUR) for s in sources]
        tree = PoseTree()
        tree.offsets.copy_(torch.stack(counts).mean(0))
        save_pose_tree(options.out, tree, {"command": command_line(parser.prog, arguments)})


if __name__ == "__main__":
    main()
