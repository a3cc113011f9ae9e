"""Pure maths of lifting: bone vectors and back, the loss on them, the loops of a bone map, a figure's place in it."""

from __future__ import annotations

import torch
from torch import Tensor

from napa_lib.geometry.precision import check_floating, in_full_precision
from napa_lib.skeletons import NAPA18, REGRESSION_BONES, check_pose

THORAX, PELVIS = NAPA18.index("thorax"), NAPA18.index("pelvis")


def bone_vectors(pose: Tensor) -> Tensor:
    """The 15 bones of the regression tree, each from the joint nearer to the thorax to the one farther out.

    Where a joint is depends on every bone between it and the root, so errors add up along the chain; a bone says what
    happens at one place of the body alone, and its length hardly varies. That makes bones the better target.

        v_b = p_child(b) - p_parent(b)

    Args:
        pose: (..., 18, D) NAPA18 joints, D of 2 or 3, any unit.

    Returns:
        (..., 15, D) in the order of `REGRESSION_BONES`; NaN where either joint is missing. `torso` and `nose` are in no
        regression bone.

    Raises:
        ValueError: if `pose` is not a NAPA18 pose.

    Source: NAPA, section 3.2, L_depth.

    >>> pose = torch.zeros(18, 2); pose[NAPA18.index("l_wrist")] = torch.tensor([3.0, 4.0])
    >>> bone_vectors(pose)[14].tolist()  # l_elbow to l_wrist
    [3.0, 4.0]
    """
    check_pose(pose, NAPA18)
    child, parent = torch.tensor(REGRESSION_BONES, device=pose.device).T
    return pose[..., child, :] - pose[..., parent, :]


@in_full_precision
def joints_from_bone_vectors(bones: Tensor) -> Tensor:
    """Undo `bone_vectors`: each joint is the sum of the bones between it and the thorax, which is the origin.

    Args:
        bones: (..., 15, D), same order and unit.

    Returns:
        (..., 18, D) NAPA18 joints. `torso` and `nose` are NaN, for no bone leads to them; so is every joint with a
        missing bone on its way to the thorax: nothing says where it is.

    Raises:
        ValueError: if `bones` does not hold 15 bones.

    >>> joints_from_bone_vectors(torch.ones(15, 1))[NAPA18.index("l_wrist")].tolist()  # thorax, shoulder, elbow, wrist
    [3.0]
    """
    if bones.ndim < 2 or bones.shape[-2] != len(REGRESSION_BONES):
        raise ValueError(f"bones must be (..., {len(REGRESSION_BONES)}, D), got {tuple(bones.shape)}")
    paths = _paths().to(bones)
    seen = ~bones.isnan()
    joints = paths @ bones.where(seen, 0.0)
    known = (paths @ (~seen).to(bones) == 0) & _reached().to(bones.device)[:, None]
    return joints.where(known, torch.nan)


def depth_loss(prediction: Tensor, target: Tensor) -> Tensor:
    """L_depth: the mean Euclidean distance between standardised bone vectors, over the bones that are known.

        L_depth = mean_b || v_b - v*_b ||_2

    `DepthNet` leaves x and y to the 2D keypoints and predicts z alone; its vectors have D = 1 and the norm is |z - z*|.

    Args:
        prediction: (..., 15, D) standardised bone vectors.
        target: (..., 15, D); a bone with a NaN is left out.

    Returns:
        () the loss; 0, with zero gradients, where no bone is known.

    Raises:
        ValueError: if the shapes differ or do not end in 15 bones.

    Source: NAPA, section 3.2, L_depth. The paper says "an euclidean loss" and leaves the reduction open.

    >>> depth_loss(torch.zeros(1, 15, 3), torch.tensor([1.0, 2.0, 2.0]).expand(1, 15, 3)).item()
    3.0
    """
    if prediction.shape != target.shape or target.ndim < 2 or target.shape[-2] != len(REGRESSION_BONES):
        raise ValueError(
            f"prediction and target must both be (..., {len(REGRESSION_BONES)}, D), "
            f"got {tuple(prediction.shape)} and {tuple(target.shape)}"
        )
    known = ~target.isnan().any(-1, keepdim=True)
    distance = torch.linalg.vector_norm((prediction - target.where(known, 0.0)).where(known, 0.0), dim=-1)
    return distance.sum() / known.sum().clamp(min=1)


def bone_loop(start: Tensor, end: Tensor, width: float, n_loops: int, n_points: int) -> Tensor:
    """The loops that fill one bone's oval: each leaves `start` along one side, turns at `end`, returns on the other.

    With u along the bone, v across it, c its centre, L its length, d its width and

        a_i = d/2 (i - 1)/(n - 1), so that 0 = a_1 < a_2 < ... < a_n = d/2  (a_1 = d/2 if n = 1)
        s(t): a triangle wave through 0, 1, 0, -1, 0 at t = 0, 1/4, 1/2, 3/4, 1
        loop_i(t) = c + a_i s(t) v -+ L/2 sqrt(1 - s(t)^2) u    (- in the outer quarters of t, + in the inner two)

    every point of loop i satisfies across^2 / a_i^2 + along^2 / (L/2)^2 = 1, and loop_n is the edge of the oval that
    `render_bone_map` fills.

    The text of appendix K as printed: it defines t by dist((x, y), x-axis) / 4 a_i with the x-axis the *major* axis,
    across the bone. Read so, t = 0 would be on that axis, not at (x1, y1), and the distance would reach L/2, not a_i.
    We read it as the distance from the bone's own axis, the minor axis y in the paper's words, which gives all of its
    fixed points: 0 at t = 0, a_i at 1/4, 0 at 1/2, a_i at 3/4. That is |s(t)| a_i, in all four cases. The paper
    does not say which side comes first: here it is v = (-u_y, u_x), clockwise on the screen. i = 1 divides by zero in
    the paper; the limit is the bone itself, there and back.

    Args:
        start: (..., 2) keypoint (x1, y1) in pixels.
        end: (..., 2) keypoint (x2, y2).
        width: d > 0, the oval's whole width in pixels.
        n_loops: n >= 1.
        n_points: >= 2 points, t evenly spaced from 0 to 1; with n_points = 4 k + 1 the quarters are among them.

    Returns:
        (..., n_loops, n_points, 2), first point = last point = `start`.

    Raises:
        ValueError: for wrong shapes, width <= 0, n_loops < 1 or n_points < 2.

    Source: NAPA, section 3 and appendix K.

    >>> bone_loop(torch.tensor([0.0, 0.0]), torch.tensor([8.0, 0.0]), 6.0, 1, 5).tolist()
    [[[0.0, 0.0], [4.0, 3.0], [8.0, 0.0], [4.0, -3.0], [0.0, 0.0]]]
    """
    check_floating("start", start)
    check_floating("end", end)
    if start.shape != end.shape or start.ndim < 1 or start.shape[-1] != 2:
        raise ValueError(
            f"start and end must both be floating (..., 2), got {tuple(start.shape)} and {tuple(end.shape)}"
        )
    if not width > 0 or n_loops < 1 or n_points < 2:
        raise ValueError(f"width must be > 0, n_loops >= 1, n_points >= 2, got {width}, {n_loops}, {n_points}")
    semi_axes = torch.linspace(width / 2, 0.0, n_loops, dtype=start.dtype, device=start.device).flip(0)
    t = torch.linspace(0.0, 1.0, n_points, dtype=start.dtype, device=start.device)
    across = 1 - (4 * t - 1).abs() + (4 * t - 3).clamp(min=0) * 2  # s(t)
    along = (1 - across**2).clamp(min=0).sqrt() * torch.where((t > 0.25) & (t < 0.75), 1.0, -1.0)
    half = (end - start) / 2
    unit = torch.nn.functional.normalize(half, dim=-1)
    side = torch.stack([-unit[..., 1], unit[..., 0]], -1)
    bone = (start + half)[..., None, None, :] + along[:, None] * half[..., None, None, :]
    return bone + semi_axes[:, None, None] * across[:, None] * side[..., None, None, :]


def place_in_map(keypoints: Tensor, size: int, margin: float) -> tuple[Tensor, Tensor]:
    """Move and scale a figure so that its longer side spans the map between two margins.

    Where a figure stands in the picture and how large says nothing about its depth; the network need not learn that.

    Args:
        keypoints: (B, J, 2) in pixels; a missing joint is NaN and does not count.
        size: side of the square map in pixels.
        margin: pixels kept free on the longer side, at each end.

    Returns:
        (B, J, 2) in pixels of the map, and (B,) the factor: map pixels per picture pixel. A figure of no extent is
        centred and keeps its size.

    Raises:
        ValueError: for a wrong shape or margins that leave no room.

    >>> place_in_map(torch.tensor([[[10.0, 10.0], [10.0, 30.0]]]), size=65, margin=2.0)
    (tensor([[[32.,  2.],
             [32., 62.]]]), tensor([3.]))
    """
    if keypoints.ndim != 3 or keypoints.shape[-1] != 2 or keypoints.shape[1] == 0:
        raise ValueError(f"keypoints must be (B, J, 2) with J > 0, got {tuple(keypoints.shape)}")
    if not 0 <= 2 * margin < size - 1:
        raise ValueError(f"margin must be from 0 to less than half of size - 1 = {size - 1}, got {margin}")
    missing = keypoints.isnan()
    low = keypoints.masked_fill(missing, torch.inf).amin(1)
    high = keypoints.masked_fill(missing, -torch.inf).amax(1)
    extent = (high - low).amax(-1).clamp(min=0)
    factor = torch.where(extent > 0, (size - 1 - 2 * margin) / extent, 1.0)
    centre = ((low + high) / 2).nan_to_num(0.0)
    return (keypoints - centre[:, None]) * factor[:, None, None] + (size - 1) / 2, factor


def _paths() -> Tensor:
    """(18, 15): 1 where a bone lies between the joint and the thorax."""
    parent = dict(REGRESSION_BONES)
    bone = {child: index for index, (child, _) in enumerate(REGRESSION_BONES)}
    paths = torch.zeros(NAPA18.num_joints, len(REGRESSION_BONES), device="cpu")
    for joint in bone:
        step = joint
        while step != THORAX:
            paths[joint, bone[step]] = 1.0
            step = parent[step]
    return paths


def _reached() -> Tensor:
    """(18,): which joints the regression tree reaches."""
    reached = torch.zeros(NAPA18.num_joints, dtype=torch.bool, device="cpu")
    reached[[THORAX, *(child for child, _ in REGRESSION_BONES)]] = True
    return reached
