"""Train the head of the warm-started G (NAPA, stage 2): `python -m napa_lib.training.warm_start --help`."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from napa_lib.engine import learning_rate_factor, progress, save_checkpoint, seed_everything
from napa_lib.networks.heatmaps import cells_to_pixels, soft_argmax
from napa_lib.networks.pose_net import PosePrediction
from napa_lib.networks.warm_pose_net import SIZE, WarmPoseNet, load_warm_backbone
from napa_lib.training.augment import (
    Augmentation,
    change_colors,
    color_changes,
    figure_boxes,
    hide_patches,
    random_crops,
)
from napa_lib.training.echo import EchoBuffer
from napa_lib.training.losses import confidence_loss, heatmap_loss, integral_loss
from napa_lib.training.pictures import PictureSet, without_figures
from napa_lib.training.pose import resume
from napa_lib.training.processes import step_seed
from napa_lib.training.updates import Trained, update_average
from napa_lib.training.validate import validate

SETTINGS = Augmentation(
    smallest=0.85, largest=1.35, shift=0.08, rotation=20.0, upside_down=0.04, hidden=0.2, colors=0.6
)


@dataclass(frozen=True)
class WarmConfig:
    """How the head is trained; the backbone stays as it is."""

    widths: tuple[int, int, int, int] = (64, 96, 128, 160)
    sizes: tuple[int, ...] = (192, 256)  # sides of the crops in pixels; each step draws one
    steps: int = 3000
    batch: int = 24
    learning_rate: float = 1e-3  # of AdamW at its peak
    weight_decay: float = 0.02
    integral: float = 20.0  # weight of L_2d beside the heat maps' cross-entropy
    confidence: float = 0.3  # weight of the confidence loss
    empty: float = 0.06  # share of pictures without a figure
    echo: int = 3  # steps a picture's features are used for
    kept: int = 1200  # pictures of each size whose features are kept for it: 0.7 MB at 192 pixels, 1.3 at 256
    average: float = 0.998  # decay of the running average of the weights, which is what is kept
    seed: int = 0


@dataclass(frozen=True, eq=False)
class WarmSource:
    """Pictures to learn from, and how often.

    `complete` says what a missing label means. True: the joint is not in the picture, which the confidence learns.
    False: nobody knows, as where labels are what two networks agree on.
    """

    pictures: PictureSet
    boxes: Tensor  # (N, 4) square boxes in pixels, as the test protocol would give them
    share: float
    complete: bool = True


def labelled(pictures: PictureSet, share: float) -> WarmSource:
    """A source whose figures have all their labels."""
    return WarmSource(pictures, figure_boxes(pictures.keypoints), share)


def warm_batch(
    sources: Sequence[WarmSource],
    config: WarmConfig,
    size: int,
    change: Callable[[Tensor], Tensor],
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """Augmented crops, from each source as many as its share draws.

    Returns:
        crops (B, 3, size, size) in [0, 1] and keypoints (B, 18, 2) in their pixels: NaN for a joint that is not in the
        crop, inf for one of which nobody knows.
    """
    shares = torch.tensor([source.share for source in sources])
    counts = torch.multinomial(shares, config.batch, True, generator=generator).bincount(minlength=len(sources))
    parts = [_draw(s, n, size, generator) for s, n in zip(sources, counts.tolist(), strict=True) if n]
    crops, keypoints = (torch.cat(part) for part in zip(*parts, strict=True))
    empty = torch.rand(config.batch, generator=generator) < config.empty
    crops = torch.where(empty[:, None, None, None], without_figures(crops, generator), crops)
    keypoints = keypoints.masked_fill(empty[:, None, None], torch.nan)
    crops = hide_patches(crops, SETTINGS.hidden, generator)
    return change_colors(crops, SETTINGS.colors, change, generator), keypoints


def _draw(source: WarmSource, count: int, size: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """`count` random crops of one source, and their keypoints."""
    chosen = torch.randint(len(source.pictures), (count,), generator=generator)
    pictures, boxes = source.pictures.kept(chosen), source.boxes[chosen]
    images = pictures.images.float() / 255
    crops, keypoints = random_crops(images, pictures.keypoints, size, SETTINGS, generator, boxes)
    return crops, keypoints if source.complete else keypoints.nan_to_num(nan=torch.inf)


def warm_losses(found: PosePrediction, target: Tensor, size: int) -> Tensor:
    """(3,): the heat maps' cross-entropy, L_2d and the confidence loss; targets as `warm_batch` gives them."""
    known = ~target.isinf().any(-1)
    labelled = target.where(known[..., None], torch.nan)
    expected = cells_to_pixels(soft_argmax(found.heatmaps))
    sure = confidence_loss(found.confidence[known], found.keypoints[known], target[known], size)
    return torch.stack([heatmap_loss(found.heatmaps, labelled), integral_loss(expected, labelled, size), sure])


def start_head(network: WarmPoseNet, crops: Tensor) -> None:
    """Scale the head's first convolutions so that each channel of the taps counts alike, whatever its size.

    Args:
        network: untrained.
        crops: (B, 3, S, S), some pictures to measure the taps on.
    """
    with torch.no_grad():
        taps = network.features(crops)[1:]
        for lateral, tap in zip(network.head.laterals, taps, strict=True):
            first = lateral[0]  # type: ignore[index]
            assert isinstance(first, nn.Conv2d)
            deviation, mean = torch.std_mean(tap.float(), (0, 2, 3))
            first.weight /= deviation.clamp_min(1e-3)[:, None, None]
            first.bias -= first.weight[..., 0, 0] @ mean


def train_warm_head(
    config: WarmConfig,
    sources: Sequence[WarmSource],
    checkpoint: str | Path | None = None,
    start_from: WarmPoseNet | None = None,
    validation: dict[str, PictureSet] | None = None,
    save_every: int = 250,
    half: bool = False,
) -> tuple[WarmPoseNet, list[dict]]:
    """Train the head on random crops.

    Args:
        config: how.
        sources: what to learn from.
        checkpoint: file to write every `save_every` steps, and to go on from if it is there.
        start_from: a network whose head to begin with.
        validation: named sets to measure on at each checkpoint.
        half: compute in bfloat16 where that is safe (`torch.autocast`).

    Returns:
        the network with averaged weights, in `eval()` mode, and a record of losses and validation errors.

    Raises:
        ValueError: if the checkpoint is corrupt or belongs to another config.
        FloatingPointError: if the loss is no longer finite; the last checkpoint is kept.
    """
    generator, change = seed_everything(config.seed), color_changes()
    network = load_warm_backbone(config.widths)
    if start_from is None:
        start_head(network, warm_batch(sources, config, config.sizes[0], change, generator)[0])
    else:
        network.head.load_state_dict(start_from.head.state_dict())
    average = copy.deepcopy(network)
    optimizer = torch.optim.AdamW(network.head.parameters(), config.learning_rate, weight_decay=config.weight_decay)
    state = {"network": Trained(network), "average": Trained(average)}, {"optimizer": optimizer}, generator
    settings = {"config": json.dumps(asdict(config))}
    start, record = resume(checkpoint, state, settings), []
    buffers = {size: EchoBuffer(config.kept) for size in config.sizes}
    clock, running = time.monotonic(), torch.zeros(3)
    for step in progress(range(start, config.steps), "head of the pose network"):
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * learning_rate_factor(step, config.steps, longest_warm_up=200)
        generator.manual_seed(step_seed(config.seed, step, 0))
        torch.manual_seed(step_seed(config.seed, step, 0))
        size = config.sizes[(step // config.echo) % len(config.sizes)]
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            if step % config.echo == 0 or not len(buffers[size]):
                crops, target = warm_batch(sources, config, size, change, generator)
                features = network.features(crops.contiguous(memory_format=torch.channels_last))
                buffers[size].push(features, target)
            else:
                features, target = buffers[size].draw(config.batch, generator)
            found = network.predict(features)
        parts = warm_losses(found, target, size)
        loss = parts @ parts.new_tensor([1.0, config.integral, config.confidence])
        if not bool(loss.isfinite()):
            raise FloatingPointError(f"the loss is {loss.item()} at step {step}; lower the learning rate and go on")
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.head.parameters(), 1.0)
        optimizer.step()
        update_average(average, network, min(config.average, (step + 1) / (step + 10)))
        running += parts.detach()
        if (step + 1) % save_every == 0 or step + 1 == config.steps:
            entry = {"step": step + 1, "losses": (running / save_every).tolist(), "seconds": time.monotonic() - clock}
            running.zero_()
            for name, pictures in (validation or {}).items():
                entry[name] = validate(average, pictures, SIZE, half)
            record.append(entry)
            print(json.dumps(entry), flush=True)
            if checkpoint is not None:
                save_checkpoint(checkpoint, step + 1, *state, settings)
    return average.eval(), record
