"""Stylised copies of labelled pictures: `python -m napa_lib.training.stylize --help` (between stages 1 and 2).

The labels stay, the looks change: each picture gets the style of a random pair of paintings, mixed. No painting that a
test or validation figure was cut from is among them.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from napa_lib.data.paintings import VALIDATION
from napa_lib.engine import choose_device, progress
from napa_lib.loop import command
from napa_lib.networks import VGG19Features
from napa_lib.options import add_device
from napa_lib.style import POOL, load_stylizer
from napa_lib.style.content import list_styles, load_styles
from napa_lib.style.networks import TransformNet
from napa_lib.training.pictures import PictureSet, list_shards, read_pictures, write_pictures

STYLES = tuple(name for name in POOL if name not in VALIDATION)


@torch.no_grad()
def stylize_pictures(
    pictures: PictureSet,
    network: TransformNet,
    codes: Tensor,
    generator: torch.Generator,
    half: bool = False,
) -> PictureSet:
    """The same figures in other styles, made on the device where the network is; what is drawn does not depend on it.

    Args:
        pictures: what to stylise.
        network: the pool network F of stage 1.
        codes: (K, 3200) from `style_codes`.
        generator: draws two styles a picture, their mixture, and how much of the original shows through (up to half).
        half: compute in bfloat16 where that is safe.

    Returns:
        as many pictures with the same keypoints.
    """
    done, device = [], next(network.parameters()).device
    for images in pictures.images.split(16):
        content = images.float() / 255
        pair = torch.randint(len(codes), (2, len(content)), generator=generator)
        mixture = torch.rand(len(content), 1, generator=generator)
        code = torch.lerp(codes[pair[0]], codes[pair[1]], mixture)
        with torch.autocast(device.type, torch.bfloat16, enabled=half):
            styled = network(content.to(device), code.to(device).chunk(2, 1)).float().cpu()
        through = 0.5 * torch.rand(len(content), 1, 1, 1, generator=generator)
        done.append((torch.lerp(styled, content, through).clamp(0, 1) * 255).round().byte())
    return PictureSet(torch.cat(done), pictures.keypoints)


@torch.no_grad()
def style_codes(stylizer: str, names: Sequence[str] = POOL) -> Tensor:
    """What a pool network knows of style pictures, those of the pool by default, (K, 3200): scales and shifts side by
    side."""
    network, features, pictures = load_stylizer(stylizer), VGG19Features(), load_styles(names, 224)
    return torch.cat([torch.cat(network.encode_style(part, features), 1) for part in pictures.split(32)])


def main(arguments: list[str] | None = None) -> None:
    """Write stylised copies of the shards of a folder, under the same names; finished shards are left alone."""
    parser = argparse.ArgumentParser(prog="python -m napa_lib.training.stylize", description=main.__doc__)
    parser.add_argument("--data", required=True, help="folder of picture shards")
    parser.add_argument("--out", required=True, help="folder to write")
    parser.add_argument("--shards", type=int, help="how many shards, from the first; all by default")
    parser.add_argument("--stylizer", default="pool", help="a pool network: a shipped one's name or a file")
    parser.add_argument(
        "--styles", nargs="+", default=STYLES,
        help="names of paintings, picture files, folders of them, or 'pool'; by default the pool's, without those that "
        "estimators are chosen by",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=0)
    add_device(parser)
    options = parser.parse_args(arguments)
    with command():
        _stylize(options)


def _stylize(options: argparse.Namespace) -> None:
    shards = list_shards(options.data)[: options.shards]
    network = load_stylizer(options.stylizer).to(choose_device(options.device))
    codes = style_codes(options.stylizer, list_styles(options.styles))
    for shard in progress(shards, "stylising"):
        target = Path(options.out) / (shard.name.removesuffix(".tar.gz").removesuffix(".safetensors") + ".safetensors")
        if target.exists():
            continue
        generator = torch.Generator().manual_seed(options.seed + hash_of(shard.name))
        styled = stylize_pictures(read_pictures(shard), network, codes, generator, half=options.half)
        write_pictures(target, styled, {"source": f"stylised by {options.stylizer}"})


def hash_of(name: str) -> int:
    """A number for a file's name that is the same in every process."""
    return sum(byte * 31**place for place, byte in enumerate(name.encode())) % 2**31


if __name__ == "__main__":
    main()
