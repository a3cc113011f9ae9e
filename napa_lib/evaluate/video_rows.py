"""Table 2's rows on the real video of two people: `python -m napa_lib.evaluate.video_rows --results FILE`.

The students stand in the folder of `make results ONLY=06`. What the teacher sees in the frames is computed once, as all
rows share its E and F.

Source: CrossModal, table 2, on real pictures; `two_people` says how the video is judged.
"""

from __future__ import annotations

import argparse
import re
import time
from collections import defaultdict
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from napa_lib import loop, results
from napa_lib.data import load_video_frames
from napa_lib.data.crops import crop, crop_matrices, to_picture
from napa_lib.data.two_people import TwoPeople, load_two_people
from napa_lib.engine import progress
from napa_lib.evaluate.student import CAMERA, whole_square
from napa_lib.evaluate.two_people import Seen, score, true_people
from napa_lib.files import prepare_file
from napa_lib.multiperson import Found, Lifter, Teacher, read_pictures
from napa_lib.multiperson.evaluate import mean_pose, with_pose
from napa_lib.multiperson.experiments import FOLDER, MEAN, ROWS, pictures
from napa_lib.multiperson.store import load_network, load_teacher
from napa_lib.sampling import load_pretrained

PROGRAM = "python -m napa_lib.evaluate.video_rows"
NAME = re.compile(r"(?P<row>\w+)_(?P<seed>\d+)_lifter\.safetensors")
JUDGED = ("distl", "recon", "adapt", "unsupervised", "mocap", "weak", "labels", "full")  # as many steps each


def stored_students(folder: Path) -> dict[str, list[Path]]:
    """The files of H in a folder by row, in the order of their seeds.

    Raises:
        ValueError: if there is none of `JUDGED`.
    """
    found: dict[str, list[tuple[int, Path]]] = defaultdict(list)
    for path in folder.glob("*_lifter.safetensors"):
        match = NAME.fullmatch(path.name)
        if match and match["row"] in JUDGED:
            found[match["row"]].append((int(match["seed"]), path))
    if not found:
        raise ValueError(f"folder must hold ROW_SEED_lifter.safetensors of {JUDGED}, got {folder} without any")
    return {row: [path for _, path in sorted(found[row])] for row in JUDGED if row in found}


@torch.no_grad()
def see_frames(teacher: Teacher, people: TwoPeople) -> tuple[Tensor, Tensor, list[Seen], int]:
    """E's V of all frames of all views, shown whole in a square, the maps (F, 2, 3) from the square to the frame, what
    the other views tell of each frame, and the frames' longer side."""
    latents, matrices, truth = [], [], []
    for view, name in enumerate(progress(people.names, "cameras")):
        truth += true_people(people, view)
        for frame in load_video_frames("multi", name):
            matrix = crop_matrices(whole_square(frame), CAMERA.size)
            latents.append(teacher.encoder(crop(frame, matrix, CAMERA.size).clamp(0, 1)))
            matrices.append(matrix)
    return torch.cat(latents), torch.cat(matrices), truth, max(frame.shape)


def on_frames(found: list[Found], matrices: Tensor) -> list[Seen]:
    """What was read in squares, in the pixels of the frames, poses relative to the pelvis."""
    flat = [
        to_picture(one.keypoints.flatten(0, 1)[None], matrix[None])[0].view(one.keypoints.shape)
        for one, matrix in zip(found, matrices, strict=True)
    ]
    return [Seen(k, one.poses - one.poses[:, :1]) for k, one in zip(flat, found, strict=True)]


def measure(folder: Path, people: TwoPeople) -> dict[str, list[dict]]:
    """The scores of every seed of every row, and first those of the mean pose at the teacher's pelvises."""
    teacher = load_teacher(folder / "teacher.safetensors")
    latent, matrices, truth, side = see_frames(teacher, people)

    def read(file: Path, poses: str) -> list[Found]:
        lifter = cast(Lifter, load_network(file, "lifter"))
        return read_pictures(latent, teacher.decoder, lifter, load_pretrained(poses), CAMERA)

    students = stored_students(folder)
    somebody = read(next(iter(students.values()))[0], "limits")  # of whom the mean pose takes the pelvises alone
    standing = with_pose(somebody, mean_pose(pictures("train", 1000)), CAMERA)
    found = {MEAN: [standing]} | {row: [read(f, ROWS[row].poses) for f in files] for row, files in students.items()}
    return {row: [score(on_frames(one, matrices), truth, side) for one in seeds] for row, seeds in found.items()}


def main(arguments: list[str] | None = None) -> None:
    """Judge the students of a folder on the video, and write it."""
    parser = argparse.ArgumentParser(prog=PROGRAM, description=main.__doc__)
    parser.add_argument("--runs", type=Path, default=Path(FOLDER), help="holds the teacher and the trained students")
    parser.add_argument("--results", type=Path, required=True, metavar="FILE", help="JSON file to write")
    options = parser.parse_args(arguments)
    started = time.monotonic()
    with loop.command():
        prepare_file(options.results)
        found = measure(options.runs, load_two_people())
        command = results.command_line(PROGRAM, arguments)
        results.write(options.results, {"rows": found}, command, time.monotonic() - started)
    for row, seeds in found.items():
        print(row, [round(one["pck"], 1) for one in seeds])


if __name__ == "__main__":
    main()
