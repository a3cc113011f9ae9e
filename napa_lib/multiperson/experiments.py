"""The rows of tables 2 and 7: `python -m napa_lib.multiperson.experiments --row adapt --seed 0 --results FOLDER`.

The teacher knows pictures of one look, the students learn on unlabelled pictures of another and are measured there. All
rows take as many steps, each with a batch of pictures and, where there are artificial scenes, one of these. What the
teacher sees in the pictures is computed once and kept in `--runs`.

On pictures of one's own, with the paper's steps, once a teacher of the paper's sizes is trained
(`python -m napa_lib.multiperson.teacher --preset paper`); of its sizes 1,000 pictures take 3.2 GB of memory:

    python -m napa_lib.multiperson.experiments --row unsupervised --teacher TEACHER --train muco:FOLDER
        --test mupots:FOLDER --focal 160 --nearest 1500 --farthest 8000 --pictures 8000 --steps 600000
        --results FOLDER --device cuda --half
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from napa_lib import results
from napa_lib.engine import choose_device, load_tensors, save_tensors
from napa_lib.experiments import Experiment
from napa_lib.files import prepare_file, sha256
from napa_lib.loop import Setup, command
from napa_lib.multiperson.composed import Composed, compose, join, load_cutouts
from napa_lib.multiperson.config import CAMERAS, PRESETS
from napa_lib.multiperson.evaluate import Found, mean_pose, read_pictures, score_2d, score_3d, with_pose
from napa_lib.multiperson.made_up import score_scenes
from napa_lib.multiperson.moves import Move
from napa_lib.multiperson.networks import Lifter, Teacher
from napa_lib.multiperson.real import open_pictures, room
from napa_lib.multiperson.scenes import Camera
from napa_lib.multiperson.seen import Seen, look
from napa_lib.multiperson.store import load_teacher, save_network
from napa_lib.multiperson.targets import SHARED, render_targets
from napa_lib.multiperson.train import Student, StudentConfig, train_student, trained_parts
from napa_lib.options import add_device
from napa_lib.sampling import PoseAutoencoder, load_pretrained

PROGRAM = "python -m napa_lib.multiperson.experiments"
FOLDER = "runs/multiperson"
LOOK, LEAN = "drawn", 30.0  # of the pictures that nobody labelled: who lies or tumbles is in no artificial scene
CHUNK = 1000  # pictures put together at a time
MEASURED = {"validation": 150, "test": 300}  # pictures
DISTL = StudentConfig(recon=False, adapt=False, consistency=False)  # no artificial scenes
ROWS = {  # of table 2, from top to bottom
    "distl": DISTL,
    "recon": StudentConfig(adapt=False, consistency=False),
    "adapt": StudentConfig(consistency=False),
    "unsupervised": StudentConfig(),
    "mocap": StudentConfig(poses="mocap"),
    "weak": StudentConfig(supervision="2d", consistency=False),  # phase 2 sends a teacher home; labels may stay
    "labels": replace(DISTL, supervision="3d"),
    "full": StudentConfig(supervision="3d", consistency=False),
    "weak_mocap": StudentConfig(poses="mocap", supervision="2d", consistency=False),  # the paper's Ours-Ws
    "labels_mocap": replace(DISTL, poses="mocap", supervision="3d"),  # its "No D_syn"
    "full_mocap": StudentConfig(poses="mocap", supervision="3d", consistency=False),  # and its Ours-Fs
    "distl_longer": replace(DISTL, steps=1600),
    "distl_many": replace(DISTL, steps=3200, pictures=8000),
    "labels_many": replace(DISTL, steps=3200, pictures=8000, supervision="3d"),
}
MEAN = "mean_pose"  # a row without training, for comparison
AFTERWARDS = {  # what is measured of rows' students once these are trained
    "known": ("labels", "labels_many"),  # do they know figures, or people?
    "second": ("full", "adapt"),  # what does a second stage bring?
}
SECONDS = {"distl": 30, "labels": 40, "labels_mocap": 40, "distl_longer": 90, "distl_many": 900, "labels_many": 1000}
EXPERIMENTS = {  # `make results ONLY=06`; tools/ship_multiperson.py puts what ships of them among the assets
    "teacher": Experiment(
        f"napa_lib.multiperson.teacher --half --out {FOLDER}/teacher.safetensors", f"{FOLDER}/teacher.safetensors", 600
    ),
    MEAN: Experiment(
        f"napa_lib.multiperson.experiments --row {MEAN} --half --results {FOLDER}", f"{FOLDER}/{MEAN}_0.json", 40,
        after=("teacher",),
    ),
    **{
        name: Experiment(
            f"napa_lib.multiperson.experiments --row {name} --seed {{seed}} --half --models {FOLDER} "
            f"--results {FOLDER}",
            f"{FOLDER}/{name}_{{seed}}.json", SECONDS.get(name, 90), (0, 1, 2), ("teacher",),
        )
        for name in ROWS
    },
    **{
        f"{module}_{name}": Experiment(
            f"napa_lib.multiperson.{module} --row {name} --seed {{seed}} --half --results {FOLDER}",
            f"{FOLDER}/{module}_{name}_{{seed}}.json", 180 if module == "second" else 40, (0, 1, 2), (name,),
        )
        for module, rows in AFTERWARDS.items()
        for name in rows
    },
}  # fmt: skip


def pictures(split: str, count: int, camera: Camera = CAMERAS["tiny"]) -> Composed:
    """The composed pictures of a split, the same for all seeds, and for all rows that have as many."""
    seed = {"train": 1, "validation": 2, "test": 3}[split]
    generator = torch.Generator().manual_seed(seed)
    figures, chunks = load_cutouts(split, LOOK, LEAN), torch.arange(count).split(CHUNK)
    return join([compose(figures, len(chunk), camera, generator) for chunk in chunks])


def seen_pictures(
    split: str, count: int, teacher: Teacher, runs: Path, setup: Setup, mark: str, camera: Camera = CAMERAS["tiny"]
) -> Seen:
    """What the teacher sees in a split's pictures; read from `runs` where it is there, under the teacher's mark."""
    truth = pictures(split, count, camera)
    file = runs / f"seen_{split}_{count}_{mark}.safetensors"
    if not file.exists():
        found = look(teacher, truth, camera, torch.Generator().manual_seed(0), setup)
        save_tensors(file, {"latent": found.latent, "moved": found.moved, "people": found.people,
                            "matrices": found.move.matrices, "mirrored": found.move.mirrored.float()})  # fmt: skip
        return found
    kept, _ = load_tensors(file)
    move = Move(kept["matrices"], kept["mirrored"] > 0, camera.size)
    return Seen(kept["latent"], kept["moved"], move, kept["people"], truth, camera)


def read_seen(seen: Seen, teacher: Teacher, lifter: Lifter, model: PoseAutoencoder, setup: Setup) -> list[Found]:
    """The people that a student finds in each of the pictures, fifty pictures at a time; on the CPU."""
    people: list[Found] = []
    for part in seen.latent.split(50):
        latent = part.to(setup.device).float()
        people += read_pictures(latent, teacher.decoder, lifter, model, seen.camera, setup)
    return [Found(one.poses.cpu(), one.keypoints.cpu()) for one in people]


def score(lifter: nn.Module, seen: Seen, teacher: Teacher, model, setup: Setup, sequences: Sequence[str] = ()) -> dict:
    """All measures of a student on a set of pictures: "3d" and "2d"; and "sequences", 3D measures of each (tables 3 and
    6), where the pictures are of several."""
    found = read_seen(seen, teacher, cast(Lifter, lifter), model, setup)
    parts = {name: [i for i, other in enumerate(sequences) if other == name] for name in sorted(set(sequences))}
    scores = score_people(found, seen)
    if len(parts) > 1:
        scores["sequences"] = {
            name: score_3d([found[i] for i in rows], seen.truth.rows(torch.tensor(rows)), seen.camera)
            for name, rows in parts.items()
        }
    return scores


def score_people(found: list[Found], seen: Seen) -> dict:
    """The measures of people that were found in a set of pictures: "3d" and "2d"."""
    return {
        "3d": score_3d(found, seen.truth, seen.camera),
        "2d": score_2d([one.keypoints for one in found], seen.truth, seen.camera),
    }


@torch.no_grad()
def mean_pose_score(train: Seen, test: Seen, teacher: Teacher, setup: Setup) -> dict:
    """What no look at a person's limbs is worth: at each found pelvis the training pictures' mean pose, in mid-room.

    It needs the labels of the training pictures; the rows without supervision do not have them.
    """
    untrained, model = Lifter(teacher.config).to(setup.device), load_pretrained().to(setup.device)
    found = read_seen(test, teacher, untrained, model, setup)
    return score_people(with_pose(found, mean_pose(train.truth), test.camera), test)


def teacher_score(seen: Seen) -> dict:
    """The teacher's own 2D measures, after grouping: table 7's first row."""
    people = [found[~found[:, 0].isnan().any(-1)] for found in seen.people]
    return score_2d(people, seen.truth, seen.camera)


@torch.no_grad()
def gap(student: Student, seen: Seen, setup: Setup) -> dict[str, float]:
    """How far what G makes is from what E makes of the same people, and from what F takes for E's.

    Returns:
        "distance": |G(m) - E(I)| over the mean of E(I), m being the true maps of the picture; "told_apart": share of
        pictures and maps that a linear classifier on the means over cells puts on the right side, half of which it
        was not fitted on.
    """
    rows = slice(0, 100)
    maps = render_targets(seen.truth.keypoints[rows][:, :, SHARED], student.camera)
    with setup.autocast():
        made = student.encoder(maps.to(setup.device)).float().cpu()
    real = seen.latent[rows].float()
    return {
        "distance": float((made - real).abs().mean() / real.abs().mean()),
        "told_apart": told_apart(real.mean((2, 3)), made.mean((2, 3))),
    }


def told_apart(one: Tensor, other: Tensor, weight: float = 1.0) -> float:
    """Share of held-out rows, every second one, that ridge regression on +1 and -1 puts on the right side.

    Args:
        one, other: (N, D) each.
        weight: of the penalty, on features of unit variance.
    """
    data = torch.cat([one, other]).double()
    data = (data - data.mean(0)) / data.std(0).clamp_min(1e-9)
    sign = torch.cat([torch.ones(len(one)), -torch.ones(len(other))]).double()
    fitted = torch.arange(len(data)) % 2 == 0
    x, y = data[fitted], sign[fitted]
    direction = torch.linalg.solve(x.T @ x + weight * torch.eye(x.shape[1]).double(), x.T @ y)
    return float(((data[~fitted] @ direction).sign() == sign[~fitted]).double().mean())


def row_config(options: argparse.Namespace, preset: str) -> StudentConfig:
    """A row's configuration as the options change it; with other steps its phases keep their shares of them.

    Raises:
        ValueError: for numbers that make no training.
    """
    config = replace(ROWS.get(options.row, DISTL), seed=options.seed, preset=preset)
    if options.pictures is not None:
        config = replace(config, pictures=options.pictures)
    if options.steps is None:
        return config
    before, first = (round(number * options.steps / config.steps) for number in (config.pretraining, config.first))
    return replace(config, steps=options.steps, pretraining=before, first=first)


def preset_of(teacher: Teacher) -> str:
    """The name of a teacher's sizes."""
    return next(name for name, sizes in PRESETS.items() if sizes == teacher.config)


def own_pictures(
    name: str, most: int, labels: str, teacher: Teacher, camera: Camera, setup: Setup
) -> tuple[Seen, tuple[str, ...]]:
    """What the teacher sees in pictures of one's own, and the sequence that each is of.

    Raises:
        ValueError: as `open_pictures`, or if they lack the labels, "none", "2d" or "3d", that are needed.
    """
    drawn, sequences = open_pictures(name, camera, most)
    if (labels != "none" and not drawn.present.any()) or (labels == "3d" and drawn.poses.isnan().all()):
        raise ValueError(f"{name} must have {labels.upper()} labels of people, it has none")
    return look(teacher, drawn, camera, torch.Generator().manual_seed(0), setup), sequences


def beyond_room(seen: Seen) -> float:
    """Share of the people with 3D labels who stand outside of the camera's room, where no answer reaches them."""
    depth = seen.truth.poses[..., 0, 2]
    inside = (depth >= seen.camera.nearest) & (depth <= seen.camera.farthest)
    return float(1 - inside.sum() / (~depth.isnan()).sum())


@dataclass(frozen=True, eq=False)
class Sets:
    """What a row learns on and is measured on; `validation` while it trains, None where the test pictures are one's
    own, of which `sequences` names that of each."""

    train: Seen
    validation: Seen | None
    test: Seen
    sequences: tuple[str, ...] = ()


def open_sets(options: argparse.Namespace, config: StudentConfig, teacher: Teacher, mark: str, setup: Setup) -> Sets:
    """The pictures that the options ask for: composed ones, or one's own."""
    camera = room(CAMERAS[config.preset], options.focal, options.nearest, options.farthest)
    if camera != CAMERAS[config.preset]:
        mark += f"_{camera.focal:g}_{camera.nearest:g}_{camera.farthest:g}"

    def composed(split: str, count: int) -> Seen:
        return seen_pictures(split, count, teacher, options.runs, setup, mark, camera)

    if options.train:
        labels = "3d" if options.row == MEAN else config.supervision
        train, _ = own_pictures(options.train, config.pictures, labels, teacher, camera, setup)
    else:
        train = composed("train", config.pictures)
    if options.test:
        return Sets(train, None, *own_pictures(options.test, options.most, "2d", teacher, camera, setup))
    return Sets(train, composed("validation", MEASURED["validation"]), composed("test", MEASURED["test"]))


def run_row(options: argparse.Namespace, setup: Setup) -> tuple[dict, StudentConfig]:
    """Train one row and measure it on the test pictures; what was measured, and the configuration."""
    name, teacher = options.row, load_teacher(options.teacher).to(setup.device)
    config = row_config(options, preset_of(teacher))
    mark = sha256(options.teacher)[:8]  # what another teacher saw is another file
    sets = open_sets(options, config, teacher, mark, setup)
    test, camera = sets.test, asdict(sets.test.camera)
    found: dict = {"camera": camera, "beyond_room": beyond_room(test)} if options.test else {}
    if name == MEAN:
        return {**found, **mean_pose_score(sets.train, test, teacher, setup)}, config
    model = load_pretrained(config.poses)
    own = {"train_pictures": len(sets.train)} if options.train else {}  # a folder may have others on going on
    setup = replace(
        setup, checkpoint=options.runs / f"{name}_{config.seed}.checkpoint.safetensors",
        measure=None if sets.validation is None else validating(sets.validation, teacher, model, setup),
        inputs={"teacher": mark, "train": options.train, **own, **camera},
    )  # fmt: skip
    student, record = train_student(config, sets.train, teacher.decoder, model, setup=setup)
    for kind, network in trained_parts(student).items():
        if options.models:
            header = {"config": json.dumps(asdict(config))}
            save_network(options.models / f"{name}_{config.seed}_{kind}.safetensors", kind, network, header)
    found |= score(student.lifter, test, teacher, model, setup, sets.sequences)
    if config.recon:
        found["gap"] = gap(student, test, setup)
        found["scenes"] = score_scenes(student, setup)
    return {**found, "teacher": teacher_score(test), "record": record}, config


def validating(seen: Seen, teacher: Teacher, model: PoseAutoencoder, setup: Setup) -> Callable[[nn.Module], dict]:
    """What goes on record while training: 3DPCK on validation pictures."""
    return lambda lifter: {"validation": score(lifter, seen, teacher, model, setup)["3d"]["pck"]}


def parser() -> argparse.ArgumentParser:
    """What the command takes."""
    found = argparse.ArgumentParser(prog=PROGRAM, description=main.__doc__)
    add = found.add_argument
    add("--row", choices=(MEAN, *ROWS), required=True)
    add("--seed", type=int, default=0)
    add("--steps", type=int, help="fewer or more than the row has; its phases keep their shares")
    add("--teacher", type=Path, default=Path(FOLDER) / "teacher.safetensors", metavar="FILE", help="its sizes are used")
    add("--runs", type=Path, default=Path(FOLDER), help="keeps what the teacher sees, and checkpoints")
    add("--models", type=Path, metavar="FOLDER", help="where to write the networks")
    add("--results", type=Path, required=True, metavar="FOLDER")
    add_device(found)
    own = found.add_argument_group("pictures of one's own", "FORMAT:FOLDER#SPLIT, such as muco:FOLDER, or a folder")
    add = own.add_argument
    add("--train", metavar="NAME", help="to learn on; without labels unless the row needs some")
    add("--test", metavar="NAME", help="to measure on, with labels")
    add("--pictures", type=int, metavar="N", help="most pictures to learn on")
    add("--most", type=int, default=1000, metavar="N", help="most pictures of --test")
    add("--focal", type=float, metavar="PX", help="focal length, in pixels of the square that the networks see")
    add("--nearest", type=float, metavar="MM", help="of the room in which people stand")
    add("--farthest", type=float, metavar="MM", help="of that room")
    return found


def main(arguments: list[str] | None = None) -> None:
    """Train a row of table 2 and write what was measured."""
    options = parser().parse_args(arguments)
    started, file = time.monotonic(), options.results / f"{options.row}_{options.seed}.json"
    with command():
        prepare_file(file)
        options.runs.mkdir(parents=True, exist_ok=True)
        setup = Setup(choose_device(options.device), options.half, tell=lambda e: print(json.dumps(e), flush=True))
        found, config = run_row(options, setup)
        mean = options.row == MEAN
        results.write(
            file, found, results.command_line(PROGRAM, arguments), time.monotonic() - started,
            None if mean else config, options.seed, None if mean else config.steps, setup.device,
        )  # fmt: skip
    print({name: round(found["3d"][name], 1) for name in ("pck", "pck_matched", "pck_absolute", "mpjpe")})


if __name__ == "__main__":
    main()
