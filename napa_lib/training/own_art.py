"""Fine-tune the pose network on a few pictures of one's own, and measure it on the others.

    python -m napa_lib.training.own_art --annotations FOLDER/figures.json --shots 0 12 --results RESULTS

The head is trained, the backbone that photographs made stays as it is; joints that nobody marked teach nothing.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from napa_lib import results
from napa_lib.data import ArtFigure, asset_path, load_art_figures
from napa_lib.data.crops import crop, crop_matrices, edge_color, to_crop, to_picture
from napa_lib.evaluate.art import THRESHOLDS, ArtScore, score_art
from napa_lib.loop import HERE, Setup, command, laid_out
from napa_lib.metrics import better_sides
from napa_lib.networks.warm_pose_net import WarmPoseNet, load_warm_pose_net
from napa_lib.options import add_comparison, read_comparison
from napa_lib.skeletons import ART14, NAPA18, convert
from napa_lib.training.agree import ROUND, SIDE
from napa_lib.training.figures import open_figures
from napa_lib.training.pictures import PictureSet
from napa_lib.training.validate import validate
from napa_lib.training.warm_start import WarmConfig, WarmSource, train_warm_head

PROGRAM = "python -m napa_lib.training.own_art"
FOLDER = "own_art"  # the pictures that ship
LOOK = 192  # pixels of the one look at a figure
PEOPLE = 200  # synthetic people on which to see what is forgotten
TUNING = WarmConfig(
    sizes=(LOOK,), steps=90, batch=12, learning_rate=1e-3, empty=0.0, echo=3, kept=400
)  # chosen on other pictures of the kind, from motion capture's validation part


def cut_out(figures: Sequence[ArtFigure], joints: Tensor) -> WarmSource:
    """Figures with some room round them, and their joints (N, 14, 2), as `train_warm_head` takes them."""
    boxes = torch.tensor([figure.box for figure in figures])
    middle, half = (boxes[:, :2] + boxes[:, 2:]) / 2, ROUND * (boxes[:, 2:] - boxes[:, :2]) / 2
    matrices = crop_matrices(torch.cat([middle - half, middle + half], 1), SIDE)
    crops = crops_of(figures, matrices, SIDE)
    keypoints = to_crop(convert(joints, ART14, NAPA18), matrices)
    shown = PictureSet((crops.clamp(0, 1) * 255).round().byte(), keypoints)
    return WarmSource(shown, to_crop(boxes.view(-1, 2, 2), matrices).view(-1, 4), 1.0, complete=False)


def crops_of(figures: Sequence[ArtFigure], matrices: Tensor, size: int) -> Tensor:
    """Cut each figure out of its picture with its matrix: (N, 3, size, size)."""
    images = [figure.load() for figure in figures]
    return torch.cat([crop(i, m[None], size, edge_color(i)) for i, m in zip(images, matrices, strict=True)])


@dataclass(frozen=True, eq=False)
class Looked:
    """Figures, and what the frozen backbone sees of them: computed once, however often the head changes."""

    figures: tuple[ArtFigure, ...]
    matrices: Tensor
    features: tuple[Tensor, ...]

    def rows(self, chosen: Iterable[int]) -> Looked:
        """Some of the figures."""
        rows = list(chosen)
        features = tuple(feature[rows] for feature in self.features)
        return Looked(tuple(self.figures[i] for i in rows), self.matrices[rows], features)


@torch.no_grad()
def look(network: WarmPoseNet, figures: Sequence[ArtFigure], setup: Setup = HERE) -> Looked:
    """See each figure once, in its box, at `LOOK` pixels."""
    matrices = crop_matrices(torch.tensor([figure.box for figure in figures]), LOOK)
    crops = crops_of(figures, matrices, LOOK)
    with setup.autocast():
        parts = [network.features(laid_out(part, setup.device)) for part in crops.split(16)]
    return Looked(tuple(figures), matrices, tuple(torch.cat(feature) for feature in zip(*parts, strict=True)))


@torch.no_grad()
def poses_in(network: WarmPoseNet, seen: Looked, setup: Setup = HERE) -> Tensor:
    """What a network with the same backbone makes of the figures: (N, 14, 2) pixels of their pictures."""
    with setup.autocast():
        found = network.predict(seen.features).keypoints.float().cpu()
    return convert(to_picture(found, seen.matrices), NAPA18, ART14)


def score(network: WarmPoseNet, seen: Looked, setup: Setup = HERE) -> ArtScore:
    """The same beside what was annotated."""
    poses = poses_in(network, seen, setup)
    return score_art({figure.name: pose for figure, pose in zip(seen.figures, poses, strict=True)}, seen.figures)


def split(figures: Sequence[ArtFigure], shots: int, seed: int) -> tuple[list[int], list[int]]:
    """Rows to learn from, and rows to measure on; figures of one picture are never on both sides.

    Args:
        figures: of one's folder.
        shots: figures to learn from, a few more where the last picture drawn has several.
        seed: of the order in which pictures are drawn.

    Raises:
        ValueError: for a negative number, or if no figure is left to measure on.
    """
    pictures = sorted({figure.path for figure in figures})
    order = torch.randperm(len(pictures), generator=torch.Generator().manual_seed(seed)).tolist()
    taken: set[Path] = set()
    for number in order:
        if sum(figure.path in taken for figure in figures) >= shots:
            break
        taken.add(pictures[number])
    few = [i for i, figure in enumerate(figures) if figure.path in taken]
    rest = [i for i, figure in enumerate(figures) if figure.path not in taken]
    if shots < 0 or not rest:
        raise ValueError(f"shots must be at least 0 and leave a picture to measure on, got {shots} of {len(figures)}")
    return few, rest


def settled_joints(network: WarmPoseNet, figures: Sequence[ArtFigure], setup: Setup = HERE) -> Tensor:
    """Joints to learn, left and right exchanged where the picture does not tell and the network reads it the other way.

    A silhouette from the front is one from behind: whoever insists on one of the readings teaches noise.

    Returns:
        (N, 14, 2) pixels of the pictures, NaN where not seen.
    """
    seen = look(network, figures, setup)
    joints = torch.stack([figure.scored_keypoints for figure in figures])
    ambiguous = torch.tensor([figure.sides_ambiguous for figure in figures])
    return better_sides(joints, poses_in(network, seen, setup).to(joints), ART14, ambiguous)


def fine_tune(
    network: WarmPoseNet, figures: Sequence[ArtFigure], config: WarmConfig = TUNING, setup: Setup = HERE
) -> WarmPoseNet:
    """A copy of the network whose head has learned from some figures.

    Raises:
        ValueError: if there is no figure.
    """
    if not figures:
        raise ValueError("figures must be at least one")
    source = cut_out(figures, settled_joints(network, figures, setup))
    tuned = train_warm_head(config, [source], setup, network)[0]
    tuned.calibration.copy_(network.calibration)  # fitted on other pictures; better than none
    return tuned


def measure(figures: Sequence[ArtFigure], shots: Sequence[int], config: WarmConfig, setup: Setup = HERE) -> list[dict]:
    """Fine-tune on more and more figures; each time measure on those that none of the trainings has seen.

    Args:
        figures: of one's folder.
        shots: how many to learn from; 0 measures the network as it is.
        config: of the training; its seed draws the figures.
        setup: where and how to compute.

    Returns:
        one entry for each of `shots`: PCKh of the limb joints on the held-out figures, and under "people" the shares of
        right joints on synthetic people, which must not fall.
    """
    network = load_warm_pose_net().to(setup.device)
    _, rest = split(figures, max(shots), config.seed)
    held = look(network, [figures[i] for i in rest], setup)
    people = open_figures(["synthetic:validation"], LOOK, PEOPLE)
    found = []
    for count in shots:
        few, _ = split(figures, count, config.seed)
        started = time.monotonic()
        tuned = fine_tune(network, [figures[i] for i in few], config, setup) if few else network
        seconds = round(time.monotonic() - started, 1)
        others = validate(tuned, PictureSet(people.images, people.keypoints), LOOK, setup.half)
        found.append({"shots": len(few), "held_out": len(rest), "seconds": seconds,
                      "pckh": rates(score(tuned, held, setup)), "people": others})  # fmt: skip
        setup.tell(found[-1])
    return found


def rates(found: ArtScore) -> dict[str, float]:
    """PCKh of the twelve limb joints at both thresholds, per cent."""
    return {str(t): round(100 * float(found.pckh(t).total), 2) for t in THRESHOLDS}


def main(arguments: list[str] | None = None) -> None:
    """Fine-tune on a few figures of a folder, and measure on the rest."""
    parser = argparse.ArgumentParser(prog=PROGRAM, description=main.__doc__)
    parser.add_argument(
        "--annotations", type=Path, metavar="FILE", help="figures.json of `napa annotate` (default: ours)"
    )
    parser.add_argument("--shots", type=int, nargs="+", default=[0, 3, 6, 12, 24], help="figures to learn from")
    parser.add_argument("--learning-rate", type=float, default=TUNING.learning_rate, metavar="RATE")
    add_comparison(parser, "own_art", TUNING.steps)
    options = parser.parse_args(arguments)
    started = time.monotonic()
    with command():
        setup = read_comparison(options)
        config = replace(TUNING, steps=options.steps, learning_rate=options.learning_rate, seed=options.seed)
        figures = load_art_figures(options.annotations or asset_path(f"{FOLDER}/figures.json"))
        found = measure(figures, options.shots, config, setup)
        results.write(
            options.results / f"own_art_{options.seed}.json", {"rows": found}, results.command_line(PROGRAM, arguments),
            time.monotonic() - started, config, options.seed, config.steps, setup.device,
        )  # fmt: skip


if __name__ == "__main__":
    main()
