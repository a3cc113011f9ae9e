"""Scenes of several figures, from which a network learns where figures are, and its losses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import interpolate, logsigmoid

from napa_lib.data.crops import crop, crop_matrices, edge_color, square_boxes, without_figures
from napa_lib.data.datasets.files import files_in
from napa_lib.data.images import load_image
from napa_lib.engine import progress
from napa_lib.multiperson.composed import Cutouts, compose
from napa_lib.multiperson.scenes import Camera
from napa_lib.networks.movenet import SIZE, STRIDE, People
from napa_lib.skeletons import NAPA18
from napa_lib.training.augment import Augmentation, change_colors, figure_boxes, random_crops
from napa_lib.training.pictures import PictureSet, draw_batch, usable
from napa_lib.training.warm_start import WarmSource

SPREAD, LEAST = 0.08, 0.7  # of a middle's Gaussian: share of the box's sides, and least cells
NEAR = 0.5  # cells that are as much a figure's middle learn its box
ENDINGS = (".png", ".jpg", ".jpeg", ".webp")
TILES = (1, 1, 2, 2, 3)  # a scene has 1, 4 or 9 pictures
EMPTY = 0.15  # share of tiles whose figure is taken away
COLORS = 0.8  # share of pictures whose colours change
CROWD = 8  # most people of a composed scene
CUTS = Augmentation(smallest=0.35, largest=2.2, shift=0.2, rotation=15.0, hidden=0.0)
CAMERA = Camera(SIZE, 350.0, 2500.0, 16000.0)  # before which crowds are composed: an adult is 35 to 230 px high


def draw_scenes(
    alone: Sequence[WarmSource],
    crowd: Sequence[Cutouts],
    batch: int,
    change: Callable[[Tensor], Tensor],
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """One batch of scenes: of three, two are of tiles and one is composed.

    Args:
        alone: labelled pictures that show nobody else, or nobody, for tiles.
        crowd: figures for composed scenes, at least one set.
        batch: how many scenes.
        change: of colours, as `color_changes` gives it.
        generator: on the CPU.

    Returns:
        (B, 3, SIZE, SIZE) in [0, 1], and corners of the boxes of their figures, (B, G, 4) px, NaN for none.
    """
    which = int(torch.randint(3 * len(crowd), (), generator=generator))
    if which < len(crowd):
        return crowds(crowd[which], batch, change, generator)
    return tiled([one.pictures for one in alone], [one.share for one in alone], batch, change, generator)


def tiled(
    sources: Sequence[PictureSet],
    shares: Sequence[float],
    batch: int,
    change: Callable[[Tensor], Tensor],
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """Scenes (B, 3, SIZE, SIZE) of tiles, and the boxes of their figures (B, n², 4), NaN where a tile has none.

    Each tile is a picture cut and scaled at random, so that figures take from a tenth to nine tenths of the scene.
    """
    tiles = TILES[int(torch.randint(len(TILES), (), generator=generator))]
    count, side = batch * tiles**2, SIZE // tiles
    images, keypoints = draw_batch(sources, shares, count, generator)
    crops, keypoints = random_crops(images, keypoints, side, CUTS, generator, cuts(keypoints, images.shape[-1]))
    empty = torch.rand(count, generator=generator) < EMPTY
    cut = side // 4 * 4
    shuffled = interpolate(without_figures(crops[:, :, :cut, :cut], generator), size=(side, side))
    crops = torch.where(empty[:, None, None, None], shuffled, crops)
    crops = change_colors(crops, COLORS, change, generator)
    boxes = joint_boxes(keypoints.masked_fill(empty[:, None, None], torch.nan))
    grid = torch.arange(tiles) * float(side)
    corner = torch.stack(torch.meshgrid(grid, grid, indexing="xy"), -1).flatten(0, 1).repeat(batch, 2)
    boxes = (boxes + corner).unflatten(0, (batch, -1))
    rows = crops.view(batch, tiles, tiles, 3, side, side).permute(0, 3, 1, 4, 2, 5)
    scene = rows.reshape(batch, 3, tiles * side, tiles * side)
    return interpolate(scene, size=(SIZE, SIZE)) if scene.shape[-1] != SIZE else scene, boxes


def crowds(
    figures: Cutouts, batch: int, change: Callable[[Tensor], Tensor], generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Composed scenes (B, 3, SIZE, SIZE) of one to `CROWD` people who may hide one another, and boxes (B, CROWD, 4)."""
    drawn = compose(figures, batch, CAMERA, generator, CROWD)
    low = drawn.keypoints.nan_to_num(torch.inf).amin(2).clamp_min(0)
    high = drawn.keypoints.nan_to_num(-torch.inf).amax(2).clamp_max(SIZE - 1.0)
    boxes = torch.cat([low, high], -1)
    missing = ~drawn.present | (low >= high).any(-1)  # or wholly outside the picture
    images = change_colors(drawn.images.float() / 255, COLORS, change, generator)
    return images, boxes.masked_fill(missing[..., None], torch.nan)


def cuts(keypoints: Tensor, size: int) -> Tensor:
    """Square boxes (N, 4) that crops are cut about: the figures', or the whole picture where nobody is."""
    nobody = keypoints.isnan().all(-1).all(-1)
    corners = torch.tensor([[0.0, 0.0], [size - 1.0, size - 1.0]]).repeat(9, 1)
    return figure_boxes(torch.where(nobody[:, None, None], corners, keypoints))


def without_people(folder: Path) -> PictureSet:
    """The pictures of a folder, which show nobody, each whole in a square.

    Raises:
        ValueError: if there is none, or one cannot be read.
    """
    files = files_in(folder, *ENDINGS)
    if not files:
        raise ValueError(f"{folder} holds no pictures ({', '.join(ENDINGS)})")
    images = torch.cat([_whole(load_image(file)) for file in progress(files, "pictures of nobody")])
    return PictureSet(images, torch.full((len(images), NAPA18.num_joints, 2), torch.nan))


def _whole(image: Tensor) -> Tensor:
    """A picture (3, H, W) in the middle of a square of the colour of its edges, (1, 3, SIZE, SIZE) uint8."""
    corners = torch.tensor([[0.0, 0.0, image.shape[2] - 1.0, image.shape[1] - 1.0]])
    shown = crop(image, crop_matrices(square_boxes(corners), SIZE), SIZE, edge_color(image[None]))
    return (shown.clamp(0, 1) * 255).round().byte()


def joint_boxes(keypoints: Tensor) -> Tensor:
    """(N, 18, 2) to the boxes of the joints that are there, (N, 4) as x0, y0, x1, y1; NaN if not `usable`."""
    low, high = keypoints.nan_to_num(torch.inf).amin(1), keypoints.nan_to_num(-torch.inf).amax(1)
    return torch.cat([low, high], 1).masked_fill(~usable(keypoints)[:, None], torch.nan)


def centre_targets(boxes: Tensor, rows: int, columns: int) -> tuple[Tensor, Tensor]:
    """How much each cell is the middle of a figure, and of which.

    A figure's cell is 1, those near it fall off as a Gaussian as wide as `SPREAD` of the box, at least `LEAST` cells.

    Args:
        boxes: (B, G, 4) corners in pixels, NaN for none.
        rows, columns: of cells of `STRIDE` pixels.

    Returns:
        (B, rows, columns) in [0, 1], and indices into G.

    Source: Law & Deng, "CornerNet", 2018; Zhou et al., "Objects as Points", 2019.
    """
    low, high = (boxes / STRIDE).chunk(2, -1)
    cell = ((low + high) / 2).floor()[..., None, None]  # (B, G, 2, 1, 1)
    wide = (SPREAD * (high - low)).clamp_min(LEAST)[..., None, None]
    y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    away = (torch.stack([x, y]).to(boxes) - cell) / wide
    return torch.exp(-away.square().sum(2) / 2).nan_to_num(0.0).max(1)


def centre_losses(people: People, boxes: Tensor) -> dict[str, Tensor]:
    """Focal loss of the middles, and how far the boxes of the cells near a middle are from the figure's.

    Args:
        people: what a network says of B pictures.
        boxes: (B, G, 4) corners of the figures in pixels, NaN for none.

    Source: Zhou et al., "Objects as Points", 2019, equation 1 (alpha 2, beta 4); Rezatofighi et al., 2019 (generalised
    IoU).
    """
    target, which = centre_targets(boxes, *people.centres.shape[1:])
    scores, middle = people.centres.float(), target == 1
    right = -scores.sigmoid().sub(1).square() * logsigmoid(scores)
    wrong = -((1 - target) ** 4) * scores.sigmoid().square() * logsigmoid(-scores)
    count = middle.sum().clamp_min(1)
    near = target > NEAR
    rows = near.nonzero()[:, 0]
    truth, found, weight = boxes[rows, which[near]], people.boxes[near].float(), target[near]
    side = (truth[:, 2:] - truth[:, :2]).amax(-1, keepdim=True).clamp_min(1.0)
    off = ((found - truth) / side).abs().mean(-1) + 1 - generalised_iou(found, truth)
    return {
        "centre": torch.where(middle, right, wrong).sum() / count,
        "box": (weight * off).sum() / weight.sum().clamp_min(1e-6),
    }


def generalised_iou(a: Tensor, b: Tensor) -> Tensor:
    """IoU less the share of the common hull that neither box covers, (N,), of corner boxes (N, 4)."""
    common = (torch.minimum(a[:, 2:], b[:, 2:]) - torch.maximum(a[:, :2], b[:, :2])).clamp_min(0).prod(-1)
    hull = (torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])).prod(-1).clamp_min(1e-6)
    union = (a[:, 2:] - a[:, :2]).clamp_min(0).prod(-1) + (b[:, 2:] - b[:, :2]).prod(-1) - common
    return common / union.clamp_min(1e-6) - (hull - union) / hull
