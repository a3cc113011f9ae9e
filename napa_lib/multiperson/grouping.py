"""From the teacher's maps to people: peaks of the heat, how well a field joins two of them, and who is matched to whom.

This is the step that the student does without: there a person is one cell, and a pose comes out of it whole.

Source: Cao et al. (2017), section 2 (non-maximum suppression, eq. 10 and 11, greedy bipartite matching along a tree);
CrossModal, section 3.2a.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from napa_lib.multiperson.representation import find_roots
from napa_lib.multiperson.scenes import Camera
from napa_lib.multiperson.targets import FIELDS, HEAT, JOINTS, ROOT

PEAK = 0.3  # least heat of a joint
SAMPLES = 10  # points along a bone
AGREEMENT = 0.2  # least mean of the field along a bone
SHORT = 1.5  # cells
MOST = 8  # peaks of one joint that are looked at


def field_support(field: Tensor, start: Tensor, end: Tensor, samples: int = SAMPLES) -> Tensor:
    """How much a field says that pairs of points are one bone: the line integral of its share along the bone.

        E = 1/n sum_u L(x_1 + u (x_2 - x_1)) · (x_2 - x_1) / |x_2 - x_1|,  u = 0 ... 1

    Args:
        field: (B, 2, H, W) x and y of the unit vectors.
        start: (B, N, 2) cells.
        end: (B, M, 2) cells.
        samples: points along each bone, ends included.

    Returns:
        (B, N, M): 1 where the field points from start to end all the way, -1 where it points back, 0 for points that
        are one.

    Raises:
        ValueError: if a shape does not fit, or for fewer than two samples.

    Source: Cao et al. (2017), eq. 10 and 11.
    """
    if field.ndim != 4 or field.shape[1] != 2 or start.shape[-1] != 2 or end.shape[-1] != 2 or samples < 2:
        raise ValueError(
            f"field must be (B, 2, H, W), points (B, N, 2) and samples at least 2, got {tuple(field.shape)}, "
            f"{tuple(start.shape)}, {tuple(end.shape)} and {samples}"
        )
    height, width = field.shape[2:]
    bone = end[:, None] - start[:, :, None]  # (B, N, M, 2)
    share = torch.linspace(0, 1, samples, dtype=field.dtype, device=field.device)[:, None]
    points = start[:, :, None, None] + share * bone[..., None, :]  # (B, N, M, S, 2)
    places = (2 * points + 1) / points.new_tensor([width, height]) - 1
    shape = places.shape
    seen = grid_sample(field, places.flatten(1, 2), padding_mode="border", align_corners=False)  # (B, 2, N M, S)
    seen = seen.view(shape[0], 2, *shape[1:4]).movedim(1, -1)
    unit = bone / bone.norm(dim=-1, keepdim=True).clamp_min(1e-6)
    return (seen * unit[..., None, :]).sum(-1).mean(-1)


def nearness(start: Tensor, end: Tensor) -> Tensor:
    """What speaks for pairs of points (B, N, 2) and (B, M, 2) in cells that are nearly one: (B, N, M).

    A bone shorter than `SHORT` cells, as between pelvis and hip, covers one cell's centre or none: its field says
    nothing, and the distance decides. Ours.
    """
    length = (end[:, None] - start[:, :, None]).norm(dim=-1)
    return torch.where(length < SHORT, 1 - length / (2 * SHORT), -1.0)


def match_greedily(scores: Tensor, least: float) -> list[tuple[int, int]]:
    """Pairs (row, column) of a table, the best first, each row and column at most once, none below `least`.

    Greedy and not optimal, as Cao et al. do it: where people stand apart both are the same.
    """
    pairs: list[tuple[int, int]] = []
    rows: set[int] = set()
    columns: set[int] = set()
    for index in scores.flatten().argsort(descending=True, stable=True).tolist():
        i, j = divmod(index, scores.shape[1])
        if scores[i, j] < least:
            break
        if i not in rows and j not in columns:
            pairs.append((i, j))
            rows.add(i)
            columns.add(j)
    return pairs


@torch.no_grad()
def group_people(maps: Tensor, camera: Camera) -> list[Tensor]:
    """People out of the teacher's maps.

    Each pelvis is a person; along the tree of the body, from the pelvis outwards, every bone's far joints are matched
    to the near joints that people have. A joint whose parent was not found is not looked for.

    Args:
        maps: (B, 43, H, W).
        camera: of the pictures.

    Returns:
        for each picture (P, 15, 2) pixels, NaN for joints that were not found; P may be 0.
    """
    batch, _, height, width = maps.shape
    joints = JOINTS.num_joints
    places, found = find_roots(maps[:, HEAT].flatten(0, 1)[:, None].float(), MOST, PEAK)
    places, found = places.view(batch, joints, MOST, 2), found.view(batch, joints, MOST)
    fields = maps[:, FIELDS].float().unflatten(1, (len(JOINTS.bones), 2)).flatten(0, 1)
    ends = [list(side) for side in zip(*JOINTS.bones, strict=True)]
    start, end = (places[:, side].flatten(0, 1) for side in ends)
    support = torch.maximum(field_support(fields, start, end), nearness(start, end))
    support = support.view(batch, len(JOINTS.bones), MOST, MOST)
    near, far = (found[:, side] for side in ends)
    support = support.masked_fill(~(near[..., :, None] & far[..., None, :]), -2.0)
    pixels = (places + 0.5) * camera.size / maps.new_tensor([width, height]) - 0.5
    return [_assemble(pixels[b].cpu(), found[b].cpu(), support[b].cpu()) for b in range(batch)]


def _assemble(pixels: Tensor, found: Tensor, support: Tensor) -> Tensor:
    """One picture: pixels (15, K, 2), found (15, K), support (14, K, K) to people (P, 15, 2)."""
    count = int(found[ROOT].sum())  # the strongest stand first
    who = {ROOT: list(range(count))}  # of each joint: which peak each person has, -1 for none
    for bone, (near, far) in enumerate(JOINTS.bones):  # parents stand before their children
        partner = dict(match_greedily(support[bone], AGREEMENT))
        who[far] = [partner.get(peak, -1) for peak in who[near]]
    chosen = torch.tensor([who[j] for j in range(len(pixels))]).view(len(pixels), count)
    picked = pixels.gather(1, chosen.clamp_min(0)[..., None].expand(-1, -1, 2))
    return picked.masked_fill((chosen < 0)[..., None], torch.nan).transpose(0, 1)
