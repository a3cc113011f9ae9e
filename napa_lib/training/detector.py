"""Train the person detector on scenes of pictures put together: `python -m napa_lib.training.detector --help`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, interpolate

from napa_lib import loop
from napa_lib.data.crops import crop, crop_matrices, edge_color, square_boxes, without_figures
from napa_lib.data.datasets.files import files_in
from napa_lib.data.images import load_image
from napa_lib.engine import choose_device, learning_rate_factor, progress, seed_everything
from napa_lib.files import prepare_file
from napa_lib.loop import HERE, Losses, Record, Setup, Training, descend, laid_out, on_device, settings_of
from napa_lib.networks.person_detector import GRIDS, SIZE, PersonDetector, load_detector, save_detector
from napa_lib.options import add_config, add_device, read_config, tell
from napa_lib.skeletons import NAPA18
from napa_lib.training.augment import Augmentation, change_colors, color_changes, figure_boxes, random_crops
from napa_lib.training.pictures import PictureSet, draw_batch, read_pictures, split_share, usable

GRID_SIZES = ((0.0, 64.0), (44.0, 128.0), (90.0, 1e9))  # px: figures that each grid's anchors answer for
CENTRAL = 0.25  # share of a box's side, each way, within which an anchor answers for it
ENDINGS = (".png", ".jpg", ".jpeg", ".webp")
TILES = (1, 1, 2, 2, 3)  # a scene has 1, 4 or 9 pictures
CUTS = Augmentation(smallest=0.35, largest=2.2, shift=0.2, rotation=15.0, hidden=0.0)


@dataclass(frozen=True)
class DetectorConfig:
    """One training of the person detector."""

    steps: int = 1200
    batch: int = 8
    learning_rate: float = 4e-4  # AdamW's peak
    weight_decay: float = 0.01
    empty: float = 0.15  # share of pictures without a figure
    average: float = 0.995  # running average of the weights
    seed: int = 0


def train_detector(
    config: DetectorConfig,
    sources: Sequence[PictureSet],
    shares: Sequence[float],
    start: PersonDetector,
    every: int = 100,
    setup: Setup = HERE,
) -> tuple[PersonDetector, Record]:
    """Train on scenes of one, four or nine labelled pictures; the first layers, half of the cost, stay as they are.

    Args:
        config: how.
        sources, shares: picture sets, and how often each is drawn.
        start: the network to begin with.
        every: steps between two entries of the record.
        setup: where and how to compute, the checkpoint and the measurement.

    Returns:
        the network with averaged weights, in evaluation mode, and the record.

    Raises:
        ValueError: if the checkpoint does not fit.
        FloatingPointError: if the loss is not finite; the last checkpoint is kept.
    """
    generator = seed_everything(config.seed)
    network, average = (on_device(setup.device, PersonDetector()) for _ in range(2))
    for one in (network, average):
        one.load_state_dict(start.state_dict())
    network.to_28.requires_grad_(False)
    trained = [p for p in network.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=config.learning_rate, weight_decay=config.weight_decay)
    change = color_changes()

    def step(number: int) -> Losses:
        images, boxes = scenes(sources, shares, config, change, generator)
        with setup.autocast():
            scores, found = network(laid_out(images, setup.device))
        losses = detection_losses(scores, found, boxes.to(setup.device), network.centers)
        descend(losses["score"] + losses["box"], optimizer, 10.0, losses)
        loop.update_average(average, network, min(config.average, (number + 1) / (number + 10)))
        return losses

    training = Training(
        {"average": average, "network": network},
        {"adamw": optimizer},
        generator,
        settings_of("detector", config, setup),
    )
    record = loop.run(
        "person detector", training, step, config.steps, every, setup, average,
        rate=lambda number: learning_rate_factor(number, config.steps),
    )  # fmt: skip
    return average.eval(), record


def scenes(
    sources: Sequence[PictureSet],
    shares: Sequence[float],
    config: DetectorConfig,
    change,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """Scenes (B, 3, 224, 224) of tiles, and the boxes of their figures (B, n², 4), NaN where a tile has none.

    Each tile is a picture cut and scaled at random, so that figures take from a tenth to nine tenths of the scene.
    """
    tiles = TILES[int(torch.randint(len(TILES), (), generator=generator))]
    count, side = config.batch * tiles**2, SIZE // tiles
    images, keypoints = draw_batch(sources, shares, count, generator)
    crops, keypoints = random_crops(images, keypoints, side, CUTS, generator, cuts(keypoints, images.shape[-1]))
    empty = torch.rand(count, generator=generator) < config.empty
    cut = side // 4 * 4
    shuffled = interpolate(without_figures(crops[:, :, :cut, :cut], generator), size=(side, side))
    crops = torch.where(empty[:, None, None, None], shuffled, crops)
    crops = change_colors(crops, 0.8, change, generator)
    boxes = joint_boxes(keypoints.masked_fill(empty[:, None, None], torch.nan))
    grid = torch.arange(tiles) * float(side)
    corner = torch.stack(torch.meshgrid(grid, grid, indexing="xy"), -1).flatten(0, 1).repeat(config.batch, 2)
    boxes = (boxes + corner).unflatten(0, (config.batch, -1))
    rows = crops.view(config.batch, tiles, tiles, 3, side, side).permute(0, 3, 1, 4, 2, 5)
    scene = rows.reshape(config.batch, 3, tiles * side, tiles * side)
    return interpolate(scene, size=(SIZE, SIZE)) if scene.shape[-1] != SIZE else scene, boxes


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


def answers(boxes: Tensor, centers: Tensor) -> Tensor:
    """Which figure each anchor answers for: (B, G, 4) boxes, (A, 2) centres -> (B, A) indices into G, -1 for none.

    An anchor answers for a figure of its grid's sizes in whose middle it lies; for the smallest of several.
    """
    size = (boxes[..., 2:] - boxes[..., :2]).amax(-1)  # (B, G), NaN for none
    middle = (boxes[..., 2:] + boxes[..., :2]) / 2
    reach = (CENTRAL * size).clamp_min(4.0)
    near = (centers[None, :, None] - middle[:, None]).abs().amax(-1) <= reach[:, None]  # (B, A, G)
    limits = torch.cat([torch.tensor(s).expand(c * c * a, 2) for s, (c, a) in zip(GRID_SIZES, GRIDS, strict=True)])
    limits = limits.to(boxes)
    fits = (size[:, None] >= limits[None, :, :1]) & (size[:, None] <= limits[None, :, 1:])
    cost = size[:, None].expand(-1, len(centers), -1).masked_fill(~(near & fits), torch.inf)
    least, which = cost.min(-1)
    return which.masked_fill(least.isinf(), -1)


def detection_losses(scores: Tensor, found: Tensor, boxes: Tensor, centers: Tensor) -> dict[str, Tensor]:
    """Focal loss of the scores, and distance of the boxes of the anchors that answer for a figure.

    Args:
        scores: (B, A) logits.
        found: (B, A, 4) centre, width and height.
        boxes: (B, G, 4) corners of the figures, NaN for none.
        centers: (A, 2) of the anchors.

    Source: Lin et al., 2017 (focal loss, alpha 0.25, gamma 2); Rezatofighi et al., 2019 (generalised IoU).
    """
    which = answers(boxes, centers)
    positive = which >= 0
    target = boxes.gather(1, which.clamp_min(0)[..., None].expand(-1, -1, 4))[positive]
    right = positive.to(scores)
    wrong = (scores.sigmoid() - right).abs()
    weight = torch.where(positive, 0.25, 0.75) * wrong.square()
    score = (weight * binary_cross_entropy_with_logits(scores, right, reduction="none")).sum()
    centre, extent = found[positive].chunk(2, -1)
    corners = torch.cat([centre - extent / 2, centre + extent / 2], -1)
    side = (target[:, 2:] - target[:, :2]).amax(-1, keepdim=True).clamp_min(1.0)
    near = ((corners - target) / side).abs().mean(-1)
    count = positive.sum().clamp_min(1)
    return {"score": score / count, "box": (near + (1 - generalised_iou(corners, target))).sum() / count}


def generalised_iou(a: Tensor, b: Tensor) -> Tensor:
    """IoU less the share of the common hull that neither box covers, (N,), of corner boxes (N, 4)."""
    common = (torch.minimum(a[:, 2:], b[:, 2:]) - torch.maximum(a[:, :2], b[:, :2])).clamp_min(0).prod(-1)
    hull = (torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])).prod(-1).clamp_min(1e-6)
    union = (a[:, 2:] - a[:, :2]).clamp_min(0).prod(-1) + (b[:, 2:] - b[:, :2]).prod(-1) - common
    return common / union.clamp_min(1e-6) - (hull - union) / hull


def main(arguments: list[str] | None = None) -> None:
    """Train the person detector and write it to a file."""
    parser = argparse.ArgumentParser(prog="python -m napa_lib.training.detector", description=main.__doc__)
    parser.add_argument("--data", nargs="+", required=True, metavar="FOLDER[:SHARE]", help="folders of picture shards")
    parser.add_argument("--nobody", type=Path, help="folder of pictures that show nobody")
    parser.add_argument(
        "--nobody-share", type=float, default=1.0, help="how often one of those, beside the data's shares"
    )
    parser.add_argument("--start-from", type=Path, required=True, help="the network to begin with")
    parser.add_argument("--out", type=Path, required=True, help="safetensors file to write")
    parser.add_argument("--checkpoint", type=Path, help="keeps the run's state; an interrupted run goes on from it")
    add_device(parser)
    add_config(parser, DetectorConfig)
    options = parser.parse_args(arguments)
    with loop.command():
        config = read_config(options, DetectorConfig)
        prepare_file(options.out)
        named = {"nobody": options.nobody and str(options.nobody), "start_from": str(options.start_from)}
        inputs = {"data": options.data, **named, "nobody_share": options.nobody_share}
        setup = Setup(choose_device(options.device), options.half, options.checkpoint, tell=tell, inputs=inputs)
        folders, shares = map(list, zip(*map(split_share, options.data), strict=True))
        sources = [read_pictures(folder) for folder in folders]
        if options.nobody:
            sources, shares = [*sources, without_people(options.nobody)], [*shares, options.nobody_share]
        network, _ = train_detector(config, sources, shares, load_detector(options.start_from), setup=setup)
        save_detector(options.out, network, {"config": json.dumps(asdict(config))})
        print(f"wrote {options.out}")


if __name__ == "__main__":
    main()
