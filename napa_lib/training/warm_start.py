"""Train the head of the warm-started G (NAPA, stage 2): `python -m napa_lib.training.warm_start --help`."""

from __future__ import annotations

import argparse
import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from napa_lib.data.crops import without_figures
from napa_lib.engine import choose_device, learning_rate_factor, seed_everything
from napa_lib.files import prepare_file
from napa_lib.loop import (
    HERE,
    Record,
    Setup,
    Training,
    command,
    descend,
    laid_out,
    on_device,
    run,
    settings_of,
    update_average,
)
from napa_lib.networks.warm_pose_net import (
    SIZE,
    WarmPoseNet,
    load_warm_backbone,
    load_warm_pose_net,
    save_warm_pose_net,
)
from napa_lib.options import add_device
from napa_lib.results import command_line
from napa_lib.training.agree import Agreed, read_agreed
from napa_lib.training.augment import (
    Augmentation,
    change_colors,
    color_changes,
    figure_boxes,
    hide_patches,
    random_crops,
)
from napa_lib.training.echo import EchoBuffer
from napa_lib.training.losses import pose_losses
from napa_lib.training.pictures import PictureSet, read_pictures, split_share
from napa_lib.training.validate import validate

SETTINGS = Augmentation(smallest=0.6, largest=1.35, shift=0.1, rotation=20.0, upside_down=0.04, hidden=0.2, colors=0.6)


@dataclass(frozen=True)
class WarmConfig:
    """How the head is trained; the backbone stays as it is."""

    widths: tuple[int, int, int, int] = (64, 96, 128, 160)
    sizes: tuple[int, ...] = (192, 224)  # sides of the crops in pixels; each step draws one
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


def agreed_source(figures: Agreed, share: float) -> WarmSource:
    """A source of figures whose labels are what two networks agree on."""
    return WarmSource(PictureSet(figures.images, figures.keypoints), figures.boxes, share, complete=False)


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
    crops, keypoints = draw_crops(sources, config.batch, size, generator)
    empty = torch.rand(config.batch, generator=generator) < config.empty
    crops = torch.where(empty[:, None, None, None], without_figures(crops, generator), crops)
    keypoints = keypoints.masked_fill(empty[:, None, None], torch.nan)
    crops = hide_patches(crops, SETTINGS.hidden, generator)
    return change_colors(crops, SETTINGS.colors, change, generator), keypoints


def draw_crops(
    sources: Sequence[WarmSource], count: int, size: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Random crops, from each source as many as its share draws; keypoints as `warm_batch` gives them."""
    shares = torch.tensor([source.share for source in sources])
    counts = torch.multinomial(shares, count, True, generator=generator).bincount(minlength=len(sources))
    parts = [_draw(s, n, size, generator) for s, n in zip(sources, counts.tolist(), strict=True) if n]
    crops, keypoints = (torch.cat(part) for part in zip(*parts, strict=True))
    return crops, keypoints


def _draw(source: WarmSource, count: int, size: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """`count` random crops of one source, and their keypoints."""
    chosen = torch.randint(len(source.pictures), (count,), generator=generator)
    pictures, boxes = source.pictures.kept(chosen), source.boxes[chosen]
    images = pictures.images.float() / 255
    crops, keypoints = random_crops(images, pictures.keypoints, size, SETTINGS, generator, boxes)
    return crops, keypoints if source.complete else keypoints.nan_to_num(nan=torch.inf)


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
            assert first.bias is not None
            first.bias -= first.weight[..., 0, 0] @ mean


def train_warm_head(
    config: WarmConfig,
    sources: Sequence[WarmSource],
    setup: Setup = HERE,
    start_from: WarmPoseNet | None = None,
    every: int = 250,
) -> tuple[WarmPoseNet, Record]:
    """Train the head on random crops.

    Args:
        config: how.
        sources: what to learn from.
        setup: where and how to compute, the checkpoint, and what to measure on the averaged network.
        start_from: a network whose head to begin with.
        every: steps between two entries of the record, with each of which a checkpoint is written.

    Returns:
        the network with averaged weights, in `eval()` mode, and the record. A run that is resumed fills its buffers of
        features anew.

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
    network = on_device(setup.device, network)
    average = copy.deepcopy(network)
    optimizer = torch.optim.AdamW(network.head.parameters(), config.learning_rate, weight_decay=config.weight_decay)
    buffers = {size: EchoBuffer(config.kept) for size in config.sizes}

    def step(number: int) -> dict[str, Tensor]:
        size = config.sizes[number // config.echo % len(config.sizes)]
        with setup.autocast():
            if number % config.echo == 0 or not len(buffers[size]):
                crops, target = warm_batch(sources, config, size, change, generator)
                features = network.features(laid_out(crops, setup.device))
                buffers[size].push(features, target.to(setup.device))
            features, target = buffers[size].draw(config.batch, generator)
            found = network.predict(features)
        losses = pose_losses(found, target, size)
        total = losses["heatmaps"] + config.integral * losses["integral"] + config.confidence * losses["confidence"]
        descend(total, optimizer, 1.0, losses)
        update_average(average.head, network.head, min(config.average, (number + 1) / (number + 10)))
        return losses

    training = Training(
        {"head": network.head, "average": average.head}, {"optimizer": optimizer}, generator,
        settings_of("warm start", config, setup),
    )  # fmt: skip

    def rate(number: int) -> float:
        return learning_rate_factor(number, config.steps, longest_warm_up=200)

    record = run("head of the pose network", training, step, config.steps, every, setup, average, rate)
    return average.eval(), record


def main(arguments: list[str] | None = None) -> None:
    """Train the head of the warm-started pose network and write it to a file."""
    parser = argparse.ArgumentParser(prog="python -m napa_lib.training.warm_start", description=main.__doc__)
    parser.add_argument(
        "--data", nargs="+", required=True, metavar="FOLDER[:SHARE]", help="shards of labelled pictures"
    )
    parser.add_argument("--agreed", nargs="*", default=[], metavar="FILE[:SHARE]", help="files from training.agree")
    parser.add_argument("--validation", nargs="*", default=[], help="folders of picture shards to measure on")
    parser.add_argument("--out", type=Path, required=True, help="safetensors file to write")
    parser.add_argument("--checkpoint", type=Path, help="file to keep the run's state in, and to go on from")
    parser.add_argument("--start-from", type=Path, help="a trained network to begin with")
    parser.add_argument("--every", type=int, default=250, help="steps between two checkpoints")
    add_device(parser)
    for name in ("steps", "batch", "seed"):
        parser.add_argument(f"--{name}", type=int, default=getattr(WarmConfig, name))
    parser.add_argument("--learning-rate", type=float, default=WarmConfig.learning_rate)
    options = parser.parse_args(arguments)
    with command():
        prepare_file(options.out)
        config = WarmConfig(
            steps=options.steps, batch=options.batch, seed=options.seed, learning_rate=options.learning_rate
        )
        sets = {Path(folder).name: read_pictures(folder) for folder in options.validation}

        def measure(network: WarmPoseNet) -> dict:
            return {name: validate(network, pictures, SIZE, options.half) for name, pictures in sets.items()}

        start = options.start_from and str(options.start_from)
        inputs = {"data": options.data, "agreed": options.agreed, "start_from": start}
        setup = Setup(choose_device(options.device), options.half, options.checkpoint, measure, print, inputs)
        sources = [labelled(read_pictures(folder), share) for folder, share in map(split_share, options.data)]
        sources += [agreed_source(read_agreed(file), share) for file, share in map(split_share, options.agreed)]
        begin = load_warm_pose_net(options.start_from) if options.start_from else None
        network, _ = train_warm_head(config, sources, setup, begin, options.every)
        save_warm_pose_net(options.out, network, {"command": command_line(parser.prog, arguments)})


if __name__ == "__main__":
    main()
