"""Sources and targets from what ships: motion capture, artificial poses, twenty classes of recorded ones, alone or
several together, synthetic people; and from the labels of a data set of one's own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from napa_lib.adaptation.sticks import check_poses, fit_square
from napa_lib.data import load_body25_poses
from napa_lib.data.datasets import Annotations
from napa_lib.data.known import open_known
from napa_lib.data.views import mocap_poses, to_camera
from napa_lib.engine import made_on_cpu
from napa_lib.sampling import SKELETON, sample_canonical
from napa_lib.skeletons import BODY25, FACE68, SHARED15, convert

ARTIFICIAL = 4000  # different artificial poses, each seen from several sides
UP = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])  # rows x, y, z of a world with y up, not z
FEWEST = 40  # whole poses that a target must have: shots and poses to compare with


@dataclass(frozen=True, eq=False)
class Target:
    """A pose distribution: `pool` (N, 15, 2) to take shots from, `held_out` (M, 15, 2) to measure with; in [-1, 1].

    Of several activities the pool has as many poses each, one after the other.
    """

    name: str
    pool: Tensor
    held_out: Tensor
    activities: int = 1


def source_poses(count: int, generator: torch.Generator, split: str = "train") -> Tensor:
    """Motion capture as cameras all round see it, (count, 15, 2) in [-1, 1]: the annotations S of a source."""
    return fit_square(mocap_poses(count, generator, split, SHARED15.name))


@made_on_cpu
def artificial_poses(count: int, generator: torch.Generator) -> Tensor:
    """Poses that joint limits allow and a body can take, (count, 15, 2) in [-1, 1], by cameras as for `source_poses`.

    Source: CrossModal, section 3.1.1, with the limbs that no body could bring there drawn anew.
    """

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(count, *shape, generator=generator)

    drawn = sample_canonical(min(count, ARTIFICIAL), None, generator, None, conditioned=True)
    world = convert(drawn, SKELETON, SHARED15)[torch.arange(count) % len(drawn)] @ UP.T
    pitch = math.radians(20.0)
    seen = to_camera(world, uniform(-math.pi, math.pi), uniform(-pitch, pitch))
    return fit_square(seen[..., :2] / (seen[..., 2:] + uniform(3000.0, 8000.0, 1, 1)))


def union_poses(count: int, generator: torch.Generator) -> Tensor:
    """Half of them motion capture, half artificial, in this order; (count, 15, 2) in [-1, 1].

    Source: FlexPose, table 2, rows 11 and 12 (unions of sources).
    """
    half = count // 2
    return torch.cat([source_poses(count - half, generator), artificial_poses(half, generator)])


def recorded_target(label: str) -> Target:
    """One class of the recorded 2D poses, "Yoga_Warrior2_left" for example; only poses with all 15 joints.

    Neighbouring rows of a class are nearly the same pose, so the first half of the recording is the pool and the
    second half is held out; drawn at random, both would hold the same moments.

    Raises:
        ValueError: for a class that does not exist, or that has too few whole poses.
    """
    return _halved(label, convert(load_body25_poses(label).keypoints, BODY25, SHARED15))


def union_target(name: str, labels: Sequence[str]) -> Target:
    """Several classes of the recorded 2D poses as one target, each with as many poses as any other.

    The pool joins the classes' pools in the order of `labels`, and what is held out likewise. Each half of a class
    gives as many poses as the smallest half of all, spread over it. So `choose_shots` takes as many shots of every
    class if their number can be divided by the classes'.

    Raises:
        ValueError: for fewer than two classes, one that is named twice, or errors as for `recorded_target`.

    Source: FlexPose, section 4.1 (six activities of Simplified Human3.6M, fifteen of Human3.6M, two shots of each).
    """
    if len(labels) < 2 or len(set(labels)) < len(labels):
        raise ValueError(f"labels must be two or more different classes, got {list(labels)}")
    targets = [recorded_target(label) for label in labels]
    count = min(len(half) for target in targets for half in (target.pool, target.held_out))
    return Target(
        name,
        torch.cat([spaced(target.pool, count) for target in targets]),
        torch.cat([spaced(target.held_out, count) for target in targets]),
        len(targets),
    )


def labelled_poses(name: str) -> tuple[Tensor, tuple[str, ...]]:
    """The whole poses that a data set of one's own labels, bodies of 15 joints or faces of 68 points in [-1, 1].

    Args:
        name: FORMAT:FOLDER or FORMAT:FOLDER#SPLIT, as in `napa_lib.data.known.open_known`. No picture is read.

    Returns:
        (N, J, 2), and the action of each where the data set names actions.

    Raises:
        ValueError: if there is no such data set, or it labels no whole body or face.

    Source: FlexPose, section 4.1 ("instances with full pose annotations", 15 shared keypoints).
    """
    found = open_known(name)
    if not isinstance(found, Annotations) or found.skeleton is None:
        raise ValueError(f"{name} has no labels to take poses from")
    faces = found.skeleton.name == FACE68.name
    poses = (found if faces else found.to(SHARED15)).keypoints
    whole = torch.isfinite(poses).flatten(1).all(1) & ((poses.amax(1) - poses.amin(1)).amax(1) > 0)
    rows = whole.nonzero()[:, 0].tolist()
    if not rows:
        raise ValueError(f"{name} must label a figure with all {poses.shape[1]} points, none of {len(poses)} has them")
    return fit_square(poses[rows]), tuple(found.actions[row] for row in rows) if found.actions else ()


def labelled_target(name: str, held_out: str | None = None) -> Target:
    """A target of one's own: shots are taken from one data set or split of it, another one is held out.

    Of each action, where the labels tell actions, the pool has as many poses, spread over it, so that `choose_shots`
    takes as many shots of every action.

    Args:
        name: of the pool, as in `labelled_poses`.
        held_out: likewise; None for none.

    Raises:
        ValueError: as `labelled_poses`, or if one has bodies and the other faces.
    """
    pool, actions = labelled_poses(name)
    others = pool[:0] if held_out is None else labelled_poses(held_out)[0]
    if others.shape[1:] != pool.shape[1:]:
        raise ValueError(f"{name} has figures of {pool.shape[1]} points, {held_out} of {others.shape[1]}")
    groups = [[row for row, of in enumerate(actions) if of == action] for action in sorted(set(actions))]
    if groups:
        count = min(map(len, groups))
        pool = torch.cat([spaced(pool[rows], count) for rows in groups])
    return Target(name, pool, others, max(1, len(groups)))


def choose_shots(target: Target, count: int, generator: torch.Generator) -> Tensor:
    """M poses of the target's pool, spread over it: one from each of `count` equal stretches, (count, 15, 2).

    Raises:
        ValueError: if the pool has fewer poses, or for fewer than two.
    """
    if not 2 <= count <= len(target.pool):
        raise ValueError(f"count must be from 2 to the {len(target.pool)} poses of {target.name}, got {count}")
    edges = torch.linspace(0, len(target.pool), count + 1)
    inside = torch.rand(count, generator=generator)
    rows = (edges[:-1] + inside * (edges[1:] - edges[:-1])).long().clamp_max(len(target.pool) - 1)
    return target.pool[rows]


def spaced(poses: Tensor, count: int) -> Tensor:
    """Poses (N, 15, 2), `count` of them at equal steps in their order; all if they are no more."""
    count = min(count, len(poses))
    return poses[torch.arange(count) * len(poses) // count]


def _halved(name: str, poses: Tensor) -> Target:
    whole = poses[~poses.isnan().flatten(1).any(1)]
    if len(whole) < FEWEST:
        raise ValueError(f"{name} must have at least {FEWEST} poses with all 15 joints, got {len(whole)}")
    fitted = fit_square(check_poses(name, whole))
    middle = len(fitted) // 2
    return Target(name, fitted[:middle], fitted[middle:])
