"""Lesson 07's own computing: parts of a tau, a short adaptation, two clouds and a map between them, a person posed."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from napa_lib.adaptation import (
    Adapted,
    AdaptedGenerator,
    Pool,
    PoseStyleGAN,
    StyleTransfer,
    Target,
    adapt,
    energy_distance,
    nearest_pairs,
)
from napa_lib.adaptation.measure import settings_for
from napa_lib.adaptation.studio import SIZE, complete, fit_layout, place
from napa_lib.bottleneck import load_pretrained
from napa_lib.data.clips import to_float, unpaired_poses
from napa_lib.data.sources import open_clips
from napa_lib.loop import HERE, Setup


def only(transfer: StyleTransfer, layers: tuple[int, ...]) -> StyleTransfer:
    """A tau with some of another one's blocks; the identity in all other layers."""
    unknown = set(layers) - set(transfer.layers)
    if unknown:
        raise ValueError(f"layers must be among {transfer.layers}, got {layers}")
    part = StyleTransfer(transfer.widths, transfer.layers)
    with torch.no_grad():
        for layer in layers:
            part.blocks[str(layer)].copy_(transfer.blocks[str(layer)])
    return part


def adapted_with(source: PoseStyleGAN, transfer: StyleTransfer) -> AdaptedGenerator:
    """The generator of a tau, in evaluation mode."""
    return AdaptedGenerator(source, transfer).eval()


def distance_to(poses: Tensor, target: Target) -> float:
    """Energy distance of poses (N, 15, 2) from a target's held-out ones."""
    return energy_distance(poses, target.held_out)


def adapt_here(
    source: PoseStyleGAN, pool: Pool, shots: Tensor, steps: int, seed: int = 0, device: torch.device = HERE.device
) -> Adapted:
    """A short adaptation of all layers: half as many mixed poses as the pool has noises."""
    config = settings_for(source, seed, mixed=len(pool.noises) // 2, steps=steps)
    half = device.type == "cpu" or torch.cuda.is_bf16_supported(including_emulation=False)  # not so on a T4
    return adapt(config, source, pool, shots, setup=Setup(device, half))


@dataclass(frozen=True, eq=False)
class Clouds:
    """Styles and wanted points of a toy, (N, 2) each, and where the best linear map sends the styles, by pairing."""

    styles: Tensor
    wanted: Tensor
    mapped: dict[str, Tensor]


def paired_clouds() -> Clouds:
    """Two clouds of eighty points, paired at random and by nearness, and the best linear map of each pairing."""
    count, generator = 80, torch.Generator().manual_seed(0)
    styles = torch.randn(count, 2, generator=generator) * torch.tensor([0.9, 0.5]) + torch.tensor([4.0, 1.2])
    wanted = torch.randn(count, 2, generator=generator) * torch.tensor([0.4, 0.7]) + torch.tensor([2.4, 4.4])
    orders = {
        "random": torch.randperm(count, generator=generator),
        "nearest": nearest_pairs(styles[:, None], wanted[:, None]),
    }
    mapped = {name: styles @ torch.linalg.lstsq(styles, wanted[order]).solution for name, order in orders.items()}
    return Clouds(styles, wanted, mapped)


@dataclass(frozen=True, eq=False)
class Posed:
    """For each of N poses what a generator is shown and the picture it makes; and whose look it was asked for, if any.

    Attributes:
        drawn: (N, 1, S, S).
        pictures: (N, 3, S, S).
        person: a frame (3, S, S), or None.
    """

    drawn: Tensor
    pictures: Tensor
    person: Tensor | None = None


def placed_in_studio(poses: Tensor) -> Tensor:
    """Poses (N, 15, 2) as lesson 03's generators know them, (N, 18, 2) in [-1, 1], as large as people there are.

    The points of the head that FlexPose's joints lack are told from fifty poses of the studio's validation people.
    """
    theirs = unpaired_poses(open_clips("studio:validation", SIZE))
    whole = theirs[~theirs.isnan().flatten(1).any(1)]
    layout = fit_layout(whole[:: len(whole) // 50][:50])
    large = replace(layout, sides=(layout.sides[1], layout.sides[1]))
    return place(complete(poses, layout), large, torch.Generator().manual_seed(0))


@torch.no_grad()
def person_in(poses: Tensor, person: int = 3) -> Posed:
    """A person of the studio in poses (N, 15, 2).

    Source: FlexPose, section 4.3; the generator is KeypointGAN's Psi.
    """
    model, placed = load_pretrained("ours"), placed_in_studio(poses)
    frame = to_float(open_clips("studio:validation", SIZE).images[person, 0])
    seen = model.draw_for_generator(placed)
    return Posed(model.draw(placed), model.generate(seen, frame.expand(len(poses), -1, -1, -1)), frame)


@torch.no_grad()
def anybody_in(poses: Tensor) -> Posed:
    """Whoever the CycleGAN of lesson 03 draws for poses (N, 15, 2): it is shown one channel, and no person.

    Source: FlexPose, section 4.3 and fig. 5.
    """
    model = load_pretrained("cyclegan")
    drawn = model.draw(placed_in_studio(poses))
    return Posed(drawn, model.generate(drawn, None))
