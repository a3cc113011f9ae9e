"""All of G fine-tuned, on a network small enough for a processor core: MoveNet, at one look of 128 pixels.

NAPA trains all of G. The estimator's network over its frozen backbone cannot show what that does; MoveNet's 4.7 million
weights, which photographs taught, can be trained to the last one. Colours are not changed at random here: that would
make every arm of a comparison of styles one of many styles.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor, nn

from napa_lib.data import ArtFigure
from napa_lib.data.crops import crop_matrices, to_picture
from napa_lib.engine import learning_rate_factor, load_metadata, load_tensors, save_tensors, seed_everything
from napa_lib.evaluate.art import GROUPS, LIMBS, score_art
from napa_lib.loop import HERE, Record, Setup, Training, descend, laid_out, on_device, run, settings_of
from napa_lib.networks.heatmaps import cells_to_pixels, local_soft_argmax
from napa_lib.networks.movenet import MoveNet, load_movenet
from napa_lib.networks.pose_ensemble import KNOWN, THEIRS
from napa_lib.networks.pose_net import PosePrediction
from napa_lib.skeletons import ART14, NAPA18, convert
from napa_lib.training.augment import hide_patches
from napa_lib.training.losses import map_losses
from napa_lib.training.own_art import crops_of, rates
from napa_lib.training.pictures import PictureSet
from napa_lib.training.validate import validate
from napa_lib.training.warm_start import SETTINGS, WarmSource, draw_crops

UNUSED = ("centre.", "extent.", "shift.")  # heads of MoveNet's that say where people are, not their joints


@dataclass(frozen=True)
class WholeConfig:
    """How all of G is trained."""

    size: int = 128  # side of the crops in pixels; the shipped people's pictures are as large
    steps: int = 200
    batch: int = 12
    learning_rate: float = 1e-5  # of AdamW at its peak; chosen on untouched validation people
    weight_decay: float = 0.02
    integral: float = 20.0  # weight of L_2d beside the heat maps' cross-entropy
    seed: int = 0


WHOLE = WholeConfig()


class WholePoseNet(nn.Module):
    """MoveNet as G: what it says of NAPA18's joints, of which it knows thirteen; the other five are NaN.

    >>> found = WholePoseNet(MoveNet())(torch.rand(1, 3, 64, 64))
    >>> found.heatmaps.shape, int((~found.keypoints.isnan()).all(-1).sum())
    (torch.Size([1, 18, 16, 16]), 13)
    """

    def __init__(self, network: MoveNet) -> None:
        super().__init__()
        self.network = network

    def known_maps(self, images: Tensor) -> Tensor:
        """Scores (B, 13, S / 4, S / 4) of the joints `KNOWN`."""
        return self.network.heatmap(self.network.features(images))[:, THEIRS].float()

    def forward(self, images: Tensor) -> PosePrediction:
        """Crops (B, 3, S, S) in [0, 1] to a prediction; the confidence is the score at a map's peak."""
        maps = self.known_maps(images)
        heatmaps = maps.new_full((len(maps), NAPA18.num_joints, *maps.shape[2:]), torch.nan)
        heatmaps[:, KNOWN] = maps
        keypoints = heatmaps.new_full((*heatmaps.shape[:2], 2), torch.nan)
        keypoints[:, KNOWN] = cells_to_pixels(local_soft_argmax(maps))
        return PosePrediction(keypoints, heatmaps.amax((2, 3)), heatmaps)


def start_network(setup: Setup = HERE) -> WholePoseNet:
    """G before its training, as photographs taught it."""
    return on_device(setup.device, WholePoseNet(load_movenet())).eval()


def train_whole(
    config: WholeConfig, sources: Sequence[WarmSource], setup: Setup = HERE, every: int = 100
) -> tuple[WholePoseNet, Record]:
    """Train every weight that the heat maps come from, on random crops in the pictures' own colours.

    Args:
        config: how.
        sources: what to learn from.
        setup: where and how to compute, the checkpoint, and what to measure.
        every: steps between two entries of the record, with each of which a checkpoint is written.

    Returns:
        the network in `eval()` mode, and the record.

    Raises:
        ValueError: if the checkpoint is corrupt or belongs to another config.
        FloatingPointError: if the loss is no longer finite; the last checkpoint is kept.
    """
    generator = seed_everything(config.seed)
    network = on_device(setup.device, WholePoseNet(load_movenet()))
    trained = [weight for name, weight in network.network.named_parameters() if not name.startswith(UNUSED)]
    for weight in trained:
        weight.requires_grad_(True)
    optimizer = torch.optim.AdamW(trained, config.learning_rate, weight_decay=config.weight_decay, fused=True)

    def step(number: int) -> dict[str, Tensor]:
        crops, keypoints = draw_crops(sources, config.batch, config.size, generator)
        crops = hide_patches(crops, SETTINGS.hidden, generator)
        target = keypoints[:, KNOWN].to(setup.device)
        with setup.autocast():
            maps = network.known_maps(laid_out(crops, setup.device))
        losses = map_losses(maps, target, config.size)
        descend(losses["heatmaps"] + config.integral * losses["integral"], optimizer, 1.0, losses)
        return losses

    training = Training(
        {"network": network}, {"optimizer": optimizer}, generator, settings_of("all of G", config, setup)
    )
    record = run(
        "all of G", training, step, config.steps, every, setup, network,
        rate=lambda number: learning_rate_factor(number, config.steps),
    )  # fmt: skip
    return network.eval(), record


def on_art(poses: Tensor, figures: Sequence[ArtFigure]) -> dict:
    """Art figures' poses (N, 14, 2) against what was annotated: PCKh in all and by limb joint, per cent."""
    found = score_art({figure.name: pose for figure, pose in zip(figures, poses, strict=True)}, figures)
    limbs = {name: joints for name, joints in GROUPS.items() if set(joints) <= set(LIMBS)}
    joints = {name: round(100 * float(found.pckh(0.25, rows).total), 2) for name, rows in limbs.items()}
    return {"art": rates(found), "joints": joints}


@dataclass(frozen=True, eq=False)
class Judges:
    """What every network of a comparison is measured on; nothing is chosen on the figures in art."""

    people: Mapping[str, PictureSet]  # validation people, by their looks
    figures: Sequence[ArtFigure]
    size: int = WHOLE.size  # pixels at which both are looked at

    def measure(self, network: WholePoseNet, setup: Setup = HERE) -> tuple[dict, Tensor]:
        """Numbers, under "on", "art" and "joints", and the art figures' poses (N, 14, 2)."""
        on = {look: validate(network, pictures, self.size, setup.half) for look, pictures in self.people.items()}
        poses = self.poses_on_art(network, setup)
        return {"on": on} | on_art(poses, self.figures), poses

    @torch.no_grad()
    def poses_on_art(self, network: WholePoseNet, setup: Setup = HERE) -> Tensor:
        """What a network makes of the figures, each in its box: (N, 14, 2) pixels of their pictures."""
        matrices, crops = self._cut_out
        with setup.autocast():
            found = torch.cat([network(laid_out(part, setup.device)).keypoints.cpu() for part in crops.split(16)])
        return convert(to_picture(found, matrices), NAPA18, ART14)

    @cached_property
    def _cut_out(self) -> tuple[Tensor, Tensor]:
        """The figures' matrices, and their crops (N, 3, size, size): read once, however many networks look at them."""
        matrices = crop_matrices(torch.tensor([figure.box for figure in self.figures]), self.size)
        return matrices, crops_of(self.figures, matrices, self.size)


def train_once(
    path: Path, config: WholeConfig, sources: Sequence[WarmSource], judges: Judges, setup: Setup = HERE
) -> tuple[dict, Tensor]:
    """Train on some sources and measure, unless `path` keeps that training's end.

    Args:
        path: what the training's end is kept in; one of another config is replaced.
        config: how to train.
        sources: what to learn from.
        judges: what to measure on.
        setup: where and how to compute.

    Returns:
        the numbers that `Judges.measure` gives, and "seconds" of the training; the poses (N, 14, 2).
    """
    settings = json.dumps({"half": setup.half, **asdict(config)})
    if not path.exists() or load_metadata(path).get("settings") != settings:
        started = time.monotonic()
        network, _ = train_whole(config, sources, setup, every=config.steps)
        seconds = round(time.monotonic() - started, 1)
        numbers, poses = judges.measure(network, setup)
        row = json.dumps({"seconds": seconds} | numbers)
        save_tensors(path, {"poses": poses}, {"row": row, "settings": settings})
    tensors, metadata = load_tensors(path)
    return json.loads(metadata["row"]), tensors["poses"]
