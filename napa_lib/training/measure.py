"""How good the system is after a stage: joints near their place, depth, and the style of what F makes."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from napa_lib.lifting import lift
from napa_lib.loop import HERE, Setup, laid_out
from napa_lib.metrics import pa_mpjpe, pck
from napa_lib.networks import VGG19Features
from napa_lib.skeletons import NAPA18
from napa_lib.style import StylizationLoss, TransformNet
from napa_lib.training.figures import FigureSet
from napa_lib.training.system import NapaModel, Styles, restyle

NEAR = {"near": 0.02, "far": 0.04}  # of the box's side: about PCKh@0.25 and PCKh@0.5
JOINTS = {  # the rows of NAPA's tables 1 and 2
    "ankle": ("r_ankle", "l_ankle"), "knee": ("r_knee", "l_knee"), "wrist": ("r_wrist", "l_wrist"),
    "elbow": ("r_elbow", "l_elbow"), "shoulder": ("r_shoulder", "l_shoulder"), "head": ("head",),
    "hip": ("r_hip", "l_hip"),
}  # fmt: skip
MEASURED = [NAPA18.index(name) for names in JOINTS.values() for name in names]


@torch.no_grad()
def measure_pose(model: NapaModel, images: Tensor, figures: FigureSet, setup: Setup = HERE, batch: int = 16) -> dict:
    """What G and G' say of some pictures, against the labels.

    Args:
        model: the system.
        images: (N, 3, S, S) in [0, 1] or uint8, the figures' pictures or stylised copies of them.
        figures: their labels.
        setup: where and how to compute.
        batch: pictures at a time.

    Returns:
        "near" and "far", per cent of the joints of tables 1 and 2 within 2 and 4 % of the picture's side; "joints", the
        same at 2 % by joint; and, where there are 3D labels, "pa_mpjpe" of the lifted pose in mm.
    """
    model.eval()
    found = []
    for part in images.split(batch):
        with setup.autocast():
            shown = part.float() / 255 if part.dtype == torch.uint8 else part
            found.append(model.keypoints_of(model.pose(laid_out(shown, setup.device))))
    keypoints, size = torch.cat(found).cpu(), images.shape[-1]
    rates = {
        name: pck(keypoints[:, MEASURED], figures.keypoints[:, MEASURED], share, float(size))
        for name, share in NEAR.items()
    }
    by_joint = pck(keypoints, figures.keypoints, NEAR["near"], float(size)).per_joint
    rows = {name: _percent(by_joint[[NAPA18.index(j) for j in joints]].mean()) for name, joints in JOINTS.items()}
    result = {**{name: _percent(rate.total) for name, rate in rates.items()}, "joints": rows}
    if bool(figures.poses.isfinite().any()):
        parts = [lift(part.to(setup.device), model.depth, model.standardizer).cpu() for part in keypoints.split(batch)]
        poses = torch.cat(parts)
        result["pa_mpjpe"] = round(float(pa_mpjpe(poses, figures.poses).total), 1)
    return result


@torch.no_grad()
def stylised(network: TransformNet, figures: FigureSet, styles: Styles, setup: Setup = HERE, seed: int = 0) -> Tensor:
    """The figures' pictures as a stylizer sees them in random styles of the pool, (N, 3, S, S) in [0, 1]; the styles
    are the same each time."""
    chosen = torch.randint(len(styles.pictures), (len(figures),), generator=torch.Generator().manual_seed(seed))
    statistics = styles.statistics.cpu()[chosen]
    done = []
    for images, part in zip(figures.images.split(8), statistics.split(8), strict=True):
        with setup.autocast():
            output = restyle(network, laid_out(images.float() / 255, setup.device), part.to(setup.device))
        done.append(output.float().cpu())
    return torch.cat(done)


@torch.no_grad()
def measure_style(
    output: Tensor, figures: FigureSet, styles: Styles, features: VGG19Features, seed: int = 0
) -> dict[str, float]:
    """Every style term of stylised pictures, before its ratio, seen by a VGG: that of the system, or an untouched one.

    Args:
        output: (N, 3, S, S) from `stylised` with the same seed.
        figures: what they were made of.
        styles: the pool.
        features: the VGG.
        seed: of the styles that were drawn.
    """
    chosen = torch.randint(len(styles.pictures), (len(figures),), generator=torch.Generator().manual_seed(seed))
    loss, device = StylizationLoss(features), next(features.parameters()).device
    sums: dict[str, float] = {}
    for row in range(len(output)):
        content = figures.images[row : row + 1].to(device).float() / 255
        style = styles.pictures[int(chosen[row])][None].to(device)
        terms = loss(output[row : row + 1].to(device), style, content).terms
        for name, value in terms.items():
            sums[name] = sums.get(name, 0.0) + float(value) / len(output)
    return sums


def _percent(share: Tensor) -> float:
    return round(100 * float(share), 2)


def flat(measured: Mapping, prefix: str = "") -> dict[str, float]:
    """Nested measurements as one level of names, "stylised/joints/knee"."""
    found: dict[str, float] = {}
    for name, value in measured.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{name}/")
        else:
            found[f"{prefix}{name}"] = value
    return found
