"""From 2D keypoints to a 3D pose: standardised bones, the figure's scale, and the two put together."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from napa_lib.data import asset_path
from napa_lib.engine import (
    CheckpointError,
    config_in,
    load_tensors,
    load_weights,
    made_on_cpu,
    save_tensors,
    telling_header,
)
from napa_lib.geometry.precision import common_precision
from napa_lib.lifting.functional import PELVIS, bone_vectors, joints_from_bone_vectors, place_in_map
from napa_lib.lifting.networks import DepthNet, MapPreset
from napa_lib.quantization import quantize, read_weights
from napa_lib.rendering import render_bone_map
from napa_lib.skeletons import NAPA18, REGRESSION_BONES, check_pose

# Joints that no regression bone leads to: taken for the middle of their two neighbours on the rendered chain.
BETWEEN = {"torso": ("pelvis", "thorax"), "nose": ("neck", "head")}


@dataclass(frozen=True)
class BoneStandardizer:
    """Mean, spread and length of each bone over the training poses.

    A thigh swings by hundreds of millimetres and the base of the neck by tens: without standardisation the loss would
    be the thighs' alone.

    Attributes:
        mean: (15, 3) mm, mean bone vectors.
        std: (15, 3) mm, their standard deviations, component by component.
        length: (15,) mm, root mean square lengths, from which `recover_scale` tells how large a figure is.

    Source: NAPA, section 3.2 ("Bone vector is standardized (using mean and std) to facilitate the learning").
    """

    mean: Tensor
    std: Tensor
    length: Tensor

    @classmethod
    def fit(cls, poses: Tensor) -> BoneStandardizer:
        """Measure (N, 18, 3) poses in mm, camera axes; bones with a missing joint are left out.

        Raises:
            ValueError: if a bone is never seen, or a component of it never varies: nothing could be divided by.
        """
        bones = bone_vectors(poses).flatten(0, -3)
        seen = ~bones.isnan().any(-1, keepdim=True)
        count = seen.sum(0)
        if bool((count == 0).any()):
            raise ValueError(f"poses must show every bone at least once, got {tuple(poses.shape)} that do not")
        bones = bones.where(seen, 0.0)
        mean = bones.sum(0) / count
        std = ((bones - mean).where(seen, 0.0).square().sum(0) / count).sqrt()
        if bool((std == 0).any()):
            raise ValueError("poses must vary in every component of every bone")
        return cls(mean, std, (bones.square().sum((0, 2)) / count[:, 0]).sqrt())

    def standardize(self, bones: Tensor) -> Tensor:
        """(..., 15, 3) mm to (..., 15, 3) with mean 0 and standard deviation 1 over the training poses."""
        return (bones - self.mean.to(bones)) / self.std.to(bones)

    def tensors(self) -> dict[str, Tensor]:
        """What `save` writes: mean, std and length under the prefix `bones/`."""
        return {"bones/mean": self.mean, "bones/std": self.std, "bones/length": self.length}

    def save(self, path: str | Path) -> None:
        """Write to a safetensors file, atomically."""
        save_tensors(path, self.tensors())

    @classmethod
    def load(cls, path: str | Path) -> BoneStandardizer:
        """Read what `save` wrote, also from a file that holds a network beside it.

        Raises:
            ValueError: if the file is unreadable or holds no such tensors.
        """
        tensors, _ = load_tensors(path)
        count = len(REGRESSION_BONES)
        shapes = {"bones/mean": (count, 3), "bones/std": (count, 3), "bones/length": (count,)}
        for name, shape in shapes.items():
            if name not in tensors or tuple(tensors[name].shape) != shape:
                found = tuple(tensors[name].shape) if name in tensors else "none"
                raise CheckpointError(f"{path} holds no bone statistics: {name} must be {shape}, got {found}")
        statistics = [tensors[name].float() for name in shapes]
        if not all(bool(values.isfinite().all()) for values in statistics) or bool((statistics[1] <= 0).any()):
            raise CheckpointError(f"{path} holds no bone statistics: they must be finite, and the spread above 0")
        return cls(*statistics)


@made_on_cpu
def load_depth_net(path: str | Path | None = None) -> tuple[DepthNet, BoneStandardizer]:
    """A trained depth network, ready to use, and the bone statistics that belong to it.

    Args:
        path: a file that `napa_lib.lifting.train` wrote; by default the tiny network that ships with the course.

    Raises:
        ValueError: if the file is corrupt, or holds no depth network.

    >>> network, standardizer = load_depth_net()
    >>> lift(torch.rand(2, 18, 2) * 200, network, standardizer).shape
    torch.Size([2, 18, 3])
    """
    path = asset_path("weights/depthnet_tiny.safetensors") if path is None else Path(path)
    tensors, metadata = read_weights(path)
    config = config_in(path, metadata)
    sees = config.get("sees")
    if sees != "bones":
        raise CheckpointError(f"{path} holds no depth network on bone maps{f', but one that sees {sees}' * bool(sees)}")
    with telling_header(path):
        network = DepthNet(config["preset"])
    weights = {n[len("network/") :]: t for n, t in tensors.items() if n.startswith("network/")}
    load_weights(network, weights, str(path))
    return network.eval(), BoneStandardizer.load(path)


def save_depth_net(
    path: str | Path,
    network: nn.Module,
    standardizer: BoneStandardizer,
    config: Mapping[str, Any],
    small: bool = False,
) -> None:
    """Write network, bone statistics and config to one safetensors file.

    Args:
        path: the file.
        network: trained.
        standardizer: the bone statistics that it was trained with.
        config: what it was trained with; "sees" and "preset" say which network to build again.
        small: a quarter of the file, in 8 bits.
    """
    weights = {f"network/{name}": value for name, value in network.state_dict().items()}
    if small:
        weights = quantize(weights)
    save_tensors(path, weights | standardizer.tensors(), {"config": json.dumps(dict(config))})


def recover_scale(keypoints: Tensor, depths: Tensor, length: Tensor) -> Tensor:
    """Millimetres per pixel of figures in weak perspective, from how long bones are.

    A bone p_b pixels long in the picture that goes z_b into it has s^2 p_b^2 + z_b^2 = l_b^2. Summed over the bones
    seen, with l_b the training poses' lengths:

        s^2 = sum_b max(l_b^2 - z_b^2, 0) / sum_b p_b^2

    Args:
        keypoints: (B, 18, 2) pixels; missing joints NaN.
        depths: (B, 15) depth components of the bones in mm.
        length: (15,) mm.

    Returns:
        (B,) mm per pixel; NaN where no bone has an extent.

    Source: ours; NAPA does not say how the depth in mm meets the keypoints in pixels.

    >>> bones = torch.zeros(1, 18, 2); bones[0, NAPA18.index("l_wrist"), 0] = 30.0
    >>> length = torch.zeros(15); length[14] = 250.0; depths = torch.zeros(1, 15); depths[0, 14] = 200.0
    >>> recover_scale(bones, depths, length)  # 250^2 = 200^2 + 150^2, and 150 mm are 30 px
    tensor([5.])
    """
    squares = bone_vectors(keypoints).square().sum(-1)
    seen = ~squares.isnan()
    across = (length.to(depths).square() - depths.square()).clamp(min=0).where(seen, 0.0).sum(-1)
    drawn = squares.where(seen, 0.0).sum(-1)
    squared = (across / drawn.where(drawn > 0, 1.0)).clamp(min=1e-12)  # a root of 0 has no gradient
    return squared.sqrt().where(drawn > 0, torch.nan)


def compose_pose(keypoints: Tensor, depths: Tensor, scale: Tensor) -> Tensor:
    """Y_2d and Y_depth pieced together: x and y from the keypoints, z from the chain of bone depths.

    `torso` and `nose`, to which no regression bone leads, get the mean depth of pelvis and thorax and of neck and head.

    Args:
        keypoints: (B, 18, 2) pixels; missing joints NaN.
        depths: (B, 15) depth components of the bones in mm.
        scale: (B,) mm per pixel.

    Returns:
        (B, 18, 3) mm, camera axes, the pelvis at the origin. Where the picture does not show the pelvis, x and y start
        from the mean of the joints it shows. A missing joint stays NaN and its neighbours do not.

    Source: NAPA, section 3 ("piece together Y_2d with Y_depth").
    """
    z = joints_from_bone_vectors(depths[..., None])[..., 0]
    middles = {NAPA18.index(j): (z[:, NAPA18.index(a)] + z[:, NAPA18.index(b)]) / 2 for j, (a, b) in BETWEEN.items()}
    z = torch.stack([middles.get(j, z[:, j]) for j in range(NAPA18.num_joints)], 1)
    z = z - z[:, PELVIS, None]
    pelvis = keypoints[:, PELVIS]
    origin = torch.where(pelvis.isnan(), keypoints.nanmean(1), pelvis)
    xy = (keypoints - origin[:, None]) * scale[:, None, None]
    return torch.cat([xy, z.where(~xy.isnan().any(-1), torch.nan)[..., None]], -1)


def fill_between(keypoints: Tensor) -> Tensor:
    """A missing `torso` or `nose` in the middle of its neighbours, so that the two bones that meet there can be drawn.

    Annotations of art often have neither; without them trunk or head would be gone from the bone map altogether.

    Args:
        keypoints: (..., 18, D) NAPA18.

    Returns:
        the same; joints that are there, or whose neighbours are missing, as they were.

    >>> pose = torch.zeros(18, 2); pose[NAPA18.index("head")] = 4.0; pose[NAPA18.index("nose")] = torch.nan
    >>> fill_between(pose)[NAPA18.index("nose")].tolist()
    [2.0, 2.0]
    """
    index = torch.arange(NAPA18.num_joints, device=keypoints.device)
    first, second = index.clone(), index.clone()
    for joint, (a, b) in BETWEEN.items():
        first[NAPA18.index(joint)], second[NAPA18.index(joint)] = NAPA18.index(a), NAPA18.index(b)
    middle = (keypoints[..., first, :] + keypoints[..., second, :]) / 2
    return torch.where(keypoints.isnan(), middle, keypoints)


def figure_map(keypoints: Tensor, preset: MapPreset) -> Tensor:
    """What a depth network is shown: the hard bone map of a figure that fills it, which has no gradient.

    Args:
        keypoints: (B, 18, 2) NAPA18, pixels of any picture; missing joints NaN.
        preset: of the network.

    Returns:
        (B, 3, S, S) in [0, 1], S the preset's size.
    """
    placed, _ = place_in_map(fill_between(keypoints), preset.size, margin=preset.bone_width / 2)
    return render_bone_map(placed, NAPA18, preset.size, preset.bone_width)


def lift(
    keypoints_2d: Tensor, depth_net: DepthNet, standardizer: BoneStandardizer, scale: Tensor | None = None
) -> Tensor:
    """The 3D pose that a depth network sees in 2D keypoints, through their bone map.

    The figure is moved and scaled to fill the map, drawn, and looked at; the depths come back in mm. The camera is
    taken to be weak-perspective, with `scale` millimetres to a pixel.

    Args:
        keypoints_2d: (B, 18, 2) NAPA18, pixels of the picture; a joint with a coordinate that is not finite is missing.
            A missing `torso` or `nose` is drawn in the middle of its neighbours.
        depth_net: a trained network; use it in `eval()` mode.
        standardizer: the bone statistics it was trained with.
        scale: (B,) mm per pixel where it is known; by default `recover_scale` finds it from the lengths of the training
            poses' bones.

    Returns:
        (B, 18, 3) mm, camera axes, the pelvis at the origin, in the dtype of the keypoints; see `compose_pose` for
        missing joints.

    Raises:
        ValueError: for keypoints that are not (B, 18, 2).

    Source: NAPA, section 3 (Pose Regression).
    """
    check_pose(keypoints_2d, NAPA18, "keypoints_2d")
    if keypoints_2d.ndim != 3 or keypoints_2d.shape[-1] != 2:
        raise ValueError(f"keypoints_2d must be (B, 18, 2), got {tuple(keypoints_2d.shape)}")
    (points,) = common_precision(keypoints_2d)
    points = points.where(points.isfinite().all(-1, keepdim=True), torch.nan)
    bone_map = figure_map(points, depth_net.preset)
    precision = next(depth_net.parameters(), bone_map).dtype  # the network's own; the coordinates keep theirs
    z = depth_net(bone_map.to(precision)).to(points.dtype)
    depths = z * standardizer.std[:, 2].to(z) + standardizer.mean[:, 2].to(z)
    if scale is None:
        scale = recover_scale(points, depths, standardizer.length)
    return compose_pose(points, depths, scale.to(points.dtype)).to(keypoints_2d.dtype)
