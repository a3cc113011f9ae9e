"""Stylizers that ship, and the one call that uses them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from napa_lib.data import asset_path
from napa_lib.engine import load_weights, made_on_cpu, save_tensors, telling_header
from napa_lib.networks import VGG19Features
from napa_lib.quantization import quantize, read_weights
from napa_lib.style.functional import check_range
from napa_lib.style.networks import TransformNet

FORMAT = "napa-stylizer-1"

# The pool of styles: every shipped painting that no test figure was cut from.
POOL = (
    "albrechtdurer", "arcimboldo_librarian", "arcimboldo_spring", "bazille_rampart", "cassat_summertime",
    "degas_class_dance", "ejirisuruga", "gogh_auvert", "gogh_cafe_terrace", "gogh_entrance_hall", "gogh_harvest",
    "gogh_langlois_bridge", "greatwave", "hiroshigehorseprawns", "hiroshigeinokashirasnow", "hokusaibridge",
    "hokusaioirankamuro", "hokusaipoppies", "hokusaiwomanholdingfan", "kandinky", "kazusasearoute", "monalisa",
    "paladipesaro", "renoir_moulin_de_la_galette",
)  # fmt: skip


def stylize(
    image: Tensor, network: TransformNet, style: Tensor | None = None, features: VGG19Features | None = None
) -> Tensor:
    """Give pictures another style in one forward pass.

    Args:
        image: (B, 3, H, W) in [0, 1], sides of at least 16 pixels.
        network: a trained network.
        style: for a pool network, one style picture or B of them, (1 or B, 3, H', W') in [0, 1]; else None.
        features: for a pool network, the VGG-19 that looks at the style picture; made when not given.

    Returns:
        (B, 3, H, W) in [0, 1].

    Raises:
        ValueError: for wrong shapes, pictures under 16 pixels or not in [0, 1], or a style picture where none is used.
    """
    if image.ndim != 4 or image.shape[1] != 3 or image.shape[0] == 0 or min(image.shape[2:]) < 16:
        raise ValueError(f"image must be (B, 3, H, W) with B >= 1 and sides of at least 16, got {tuple(image.shape)}")
    check_range("image", image)
    if (style is not None) != (network.norm == "pool"):
        raise ValueError(f"a pool network needs a style picture, others take none; this one has norm={network.norm!r}")
    if style is not None:
        if style.ndim != 4 or len(style) not in (1, len(image)):
            raise ValueError(f"style must be one picture or {len(image)}, (B, 3, H, W), got {tuple(style.shape)}")
        check_range("style", style)
    height, width = image.shape[2:]
    padded = torch.nn.functional.pad(image, (0, -width % 4, 0, -height % 4), mode="reflect")
    with torch.no_grad():
        code = None
        if style is not None:
            code = network.encode_style(style, features if features is not None else VGG19Features().to(style.device))
        return network(padded, code)[..., :height, :width]


def save_stylizer(path: str | Path, network: TransformNet, styles: Sequence[str]) -> None:
    """Write a network small: weights as 8-bit integers with a scale for each output channel."""
    header = {"format": FORMAT, "norm": network.norm, "styles": ",".join(styles)}
    save_tensors(path, quantize(network.state_dict()), header)


@made_on_cpu
def load_stylizer(name: str | Path) -> TransformNet:
    """A trained network in evaluation mode: a shipped one by name ("pool", or a style), or a file's.

    Raises:
        ValueError: if there is no such network, or the file is corrupt or holds something else.
    """
    path = Path(name) if str(name).endswith(".safetensors") else asset_path(f"weights/stylizer_{name}.safetensors")
    tensors, metadata = read_weights(path, FORMAT, "stylizer")
    with telling_header(path):
        network = TransformNet(metadata["norm"])  # type: ignore[arg-type]
    load_weights(network, tensors, str(path))
    return network.eval()
