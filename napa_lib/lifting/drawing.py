"""What a depth network can be shown of a pose: its bones, its joints alone, or the joints' coordinates."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor, stack

from napa_lib.lifting.config import TrainingConfig
from napa_lib.lifting.functional import place_in_map
from napa_lib.lifting.networks import PRESETS
from napa_lib.rendering import render_bone_map
from napa_lib.skeletons import NAPA18, Skeleton


def network_input(keypoints: Tensor, config: TrainingConfig) -> Tensor:
    """Show (B, 18, 2) keypoints in pixels the way `config.sees` says, always at the same place and size.

    Returns:
        (B, 3, S, S) pictures, or (B, 18, 2) in [-1, 1] for "coordinates".
    """
    preset = PRESETS[config.preset]
    placed, _ = place_in_map(keypoints, preset.size, margin=preset.bone_width / 2)
    if config.sees == "coordinates":
        return 2 * placed / (preset.size - 1) - 1
    draw = render_bone_map if config.sees.endswith("bones") else render_point_map
    skeleton = in_white(NAPA18) if config.sees.startswith("white") else NAPA18
    return draw(placed, skeleton, preset.size, preset.bone_width)


def render_point_map(
    keypoints: Tensor, skeleton: Skeleton, size: int | tuple[int, int], width: float, softness: float = 0.0
) -> Tensor:
    """The bone map without its bones: each joint a disc as wide as a bone, in the colour of the bone that ends there.

    It is the bone map's control: the same renderer, widths and colours, less the lines. A disc is the oval of a bone as
    long as it is wide. A joint where no bone ends (the root, say) is white.

    Args:
        keypoints: (B, J, 2) in pixels; missing joints NaN.
        skeleton: joint set of the keypoints.
        size, width, softness: as in `render_bone_map`.

    Returns:
        (B, 3, H, W) in [0, 1].
    """
    half = keypoints.new_tensor([width / 2, 0.0])
    ends = stack([keypoints - half, keypoints + half], 2).flatten(1, 2)
    return render_bone_map(ends, discs(skeleton), size, width, softness)


def in_white(skeleton: Skeleton) -> Skeleton:
    """The same bones all in white: a map that no longer says which bone is which."""
    return replace(skeleton, colors=((255, 255, 255),) * len(skeleton.bones))


def discs(skeleton: Skeleton) -> Skeleton:
    """The skeleton that `render_point_map` draws: one short bone (2 j, 2 j + 1) for each joint j."""
    color_of = {end: color for (_, end), color in zip(skeleton.bones, skeleton.colors, strict=True)}
    joints = range(skeleton.num_joints)
    return Skeleton(
        name=f"{skeleton.name} discs",
        joints=tuple(f"{joint}_{side}" for joint in skeleton.joints for side in ("left", "right")),
        parents=(-1, *(0,) * (2 * skeleton.num_joints - 1)),
        flip_pairs=(),
        bones=tuple((2 * joint, 2 * joint + 1) for joint in joints),
        colors=tuple(color_of.get(joint, (255, 255, 255)) for joint in joints),
    )
