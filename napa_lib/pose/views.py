"""What the network is shown of a picture, and what its answers mean in the picture's own pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from napa_lib.data.crops import crop, crop_matrices, to_picture
from napa_lib.pose.pictures import Picture
from napa_lib.skeletons import NAPA18

CHUNK, GPU_CHUNK = 16, 256  # crops that go through the networks at once: what they need of memory
# Test-time crops: (side, shift to the right, shift down), as shares of the box's side.
VIEWS = ((1.0, 0.0, 0.0), (1.12, 0.03, 0.03), (0.92, -0.03, 0.03), (1.12, -0.03, -0.03), (0.92, 0.03, -0.03))


def shifted(boxes: Tensor, crops: int) -> Tensor:
    """The first `crops` of `VIEWS` of each square box: (B, 4) -> (crops, B, 4).

    Raises:
        ValueError: if there are not so many.

    >>> shifted(torch.tensor([[0.0, 0.0, 100.0, 100.0]]), 2)[1].tolist()
    [[-3.0, -3.0, 109.0, 109.0]]
    """
    if not 1 <= crops <= len(VIEWS):
        raise ValueError(f"crops must be from 1 to {len(VIEWS)}, got {crops}")
    scale, shift = boxes.new_tensor(VIEWS[:crops]).split([1, 2], -1)
    side = (boxes[:, 2:] - boxes[:, :2]).amax(1, keepdim=True)
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2 + side * shift[:, None]
    half = (side * scale[:, None] / 2).expand_as(middle)
    return torch.cat([middle - half, middle + half], -1)


def cut(picture: Picture, boxes: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Cut square crops out of a picture, touching only the part that they show.

    Args:
        picture: an opened picture.
        boxes: (B, 4) square boxes in the original's pixels.
        size: side of the crops.

    Returns:
        crops (B, 3, size, size) and the maps (B, 2, 3) from their pixels to the original's.
    """
    kept = (boxes + 0.5) / picture.factor - 0.5
    sides = kept[:, 2] - kept[:, 0]
    margin = 2 * math.ceil(float(sides.max()) / size) + 2  # what averaging and interpolation reach over
    low = [math.floor(v) - margin for v in kept[:, :2].amin(0).tolist()]
    high = [math.ceil(v) + margin + 1 for v in kept[:, 2:].amax(0).tolist()]
    low = [min(max(v, 0), end - 1) for v, end in zip(low, picture.pixels.size, strict=True)]
    high = [min(max(v, start + 1), end) for v, start, end in zip(high, low, picture.pixels.size, strict=True)]
    shrunk = max(1.0, min(float(sides.min()) / size, *(b - a for a, b in zip(low, high, strict=True))))
    step = 2 ** math.floor(math.log2(shrunk))  # the powers of two by which `crop` would average, too, but in 8 bits
    part = picture.pixels.crop((*low, *high))
    array = np.asarray(part.reduce(step) if step > 1 else part)
    tensor = torch.from_numpy(array.transpose(2, 0, 1).astype(np.float32)) / 255
    local = (kept - kept.new_tensor([*low, *low]) + 0.5) / step - 0.5
    crops = crop(tensor, crop_matrices(local, size), size, picture.ground)
    return crops, crop_matrices(boxes, size)


@torch.no_grad()
def look(
    network: nn.Module, pictures: Sequence[Picture], boxes: Sequence[Tensor], size: int, mirror: bool = False
) -> list[tuple[Tensor, Tensor]]:
    """Show the network square boxes of several pictures, all in one batch.

    Args:
        network: from crops (B, 3, size, size) to a `PosePrediction`, as `PoseNet2D`.
        pictures: opened pictures.
        boxes: for each of them (K, 4) in its original's pixels, K from 0 on.
        size: side of the crops.
        mirror: have the network look at the mirror image of each crop, too.

    Returns:
        for each picture keypoints (K, 18, 2) in the original's pixels and confidence (K, 18) in [0, 1], on the CPU.
    """
    pieces = [cut(p, b, size) for p, b in zip(pictures, boxes, strict=True) if len(b)]
    if not pieces:
        return [(torch.zeros(0, NAPA18.num_joints, 2), torch.zeros(0, NAPA18.num_joints))] * len(pictures)
    crops, matrices = (torch.cat(parts) for parts in zip(*pieces, strict=True))
    device = next(network.parameters()).device
    points, logits = [], []
    for chunk in crops.split((GPU_CHUNK if device.type == "cuda" else CHUNK) // (2 if mirror else 1)):
        found = network(chunk.to(device).contiguous(memory_format=torch.channels_last), mirror=mirror)
        points.append(found.keypoints.float().cpu())
        logits.append(found.confidence.float().cpu())
    keypoints, confidence = to_picture(torch.cat(points), matrices), torch.cat(logits).sigmoid()
    counts = [len(b) for b in boxes]
    return list(zip(keypoints.split(counts), confidence.split(counts), strict=True))


def fuse(keypoints: Tensor, confidence: Tensor) -> tuple[Tensor, Tensor]:
    """Several views of the same joints to one: the mean, in which a view counts as much as it is sure.

    Args:
        keypoints: (V, ..., J, 2), finite.
        confidence: (V, ..., J) in [0, 1].

    Returns:
        keypoints (..., J, 2) and the mean confidence (..., J).

    >>> fuse(torch.tensor([[[0.0, 0.0]], [[4.0, 8.0]]]), torch.tensor([[0.75], [0.25]]))
    (tensor([[1., 2.]]), tensor([0.5000]))
    """
    weight = confidence.clamp(min=1e-6)[..., None]
    return (keypoints * weight).sum(0) / weight.sum(0), confidence.mean(0)
