"""VGG-19 as a fixed measuring instrument: its feature maps, from weights that ship with the course."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from napa_lib.data import asset_path, load_paintings
from napa_lib.engine import CheckpointError
from napa_lib.quantization import read_weights

# Convolutions a block, and channels a block (Simonyan and Zisserman, 2014, configuration E).
BLOCKS = ((2, 64), (2, 128), (4, 256), (4, 512), (4, 512))
LAYERS = tuple(f"relu{block + 1}_{conv + 1}" for block, (convs, _) in enumerate(BLOCKS) for conv in range(convs))

# Mean activation of each layer under Oxford's weights, over the shipped paintings as 224 x 224 squares in [0, 1].
# `measure_activations` makes the table again; a test compares.
OXFORD_ACTIVATION = {
    "relu1_1": 0.084336, "relu1_2": 0.41398, "relu2_1": 0.50385, "relu2_2": 0.47942,
    "relu3_1": 0.52324, "relu3_2": 0.67873, "relu3_3": 1.4216, "relu3_4": 2.1584,
    "relu4_1": 2.0205, "relu4_2": 1.3154, "relu4_3": 0.72725, "relu4_4": 0.18416,
    "relu5_1": 0.18022, "relu5_2": 0.072698, "relu5_3": 0.02965, "relu5_4": 0.0039781,
}  # fmt: skip

# What each layer's mean activation is scaled to. Gatys et al. take 1; L_style grows with the fourth power of it and
# L_content with the first, while L_cos and the entropies do not change. At 1 and 128 px, NAPA's ratios let L_cos win
# over L_content, and the picture slides into a copy of the style picture (lesson 01 shows it).
MEAN_ACTIVATION = 3.0

# Mean of ImageNet in RGB on the scale 0-255, which the Oxford weights expect to be taken away.
OXFORD_MEAN = (123.68, 116.779, 103.939)


class VGG19Features(nn.Module):
    """The feature maps relu1_1 ... relu5_4 of a VGG-19 trained on ImageNet; its weights never change.

    Trained weights leave the layers on very different scales: relu4_1 is 500 times as strong as relu5_4, and a loss
    over several layers would see the strongest alone. As in Gatys et al., the weights are rescaled so that every
    layer has the same mean activation, here 3, over a set of pictures: a ReLU network scales through, and nothing
    else changes.

    Args:
        weights: "embedded" (Oxford's weights in 8 bits, shipped), "imagenet" (torchvision's, downloaded on
            first use), or the path of a safetensors file with `convB_C.weight` and `convB_C.bias` on Oxford's scale.

    Source: Simonyan and Zisserman, 2014; Gatys et al., 2016, section 2; the loss network of NAPA, section 3.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, weights: str | Path = "embedded") -> None:
        super().__init__()
        self.convolutions = nn.ModuleDict()
        channels = 3
        for block, (convs, width) in enumerate(BLOCKS, 1):
            for conv in range(1, convs + 1):
                self.convolutions[f"conv{block}_{conv}"] = nn.Conv2d(channels, width, 3, padding=1)
                channels = width
        self.register_buffer("mean", torch.tensor(OXFORD_MEAN).view(1, 3, 1, 1) / 255)
        self.register_buffer("deviation", torch.ones(1, 3, 1, 1))
        self.requires_grad_(False)
        self.eval()
        if weights == "imagenet":
            self._load_torchvision()
            self.rescale(measure_activations(self))
        else:
            self._load_oxford(asset_path("weights/vgg19_q8.safetensors") if weights == "embedded" else Path(weights))
            self.rescale(OXFORD_ACTIVATION)

    def _parameters_of(self, layer: str) -> tuple[Tensor, Tensor]:
        conv = cast(nn.Conv2d, self.convolutions[f"conv{layer[4:]}"])
        return conv.weight, cast(Tensor, conv.bias)

    def rescale(self, activation: Mapping[str, float]) -> None:
        """Scale every layer from the mean activation it has now to `MEAN_ACTIVATION`."""
        before = 1.0
        for layer in LAYERS:
            gain = MEAN_ACTIVATION / activation[layer]
            weight, bias = self._parameters_of(layer)
            weight.mul_(gain / before)
            bias.mul_(gain)
            before = gain

    def _load_oxford(self, path: Path) -> None:
        tensors = read_weights(path)[0]
        for layer in LAYERS:
            name = f"conv{layer[4:]}"
            try:
                weight, bias = tensors[f"{name}.weight"], tensors[f"{name}.bias"]
            except KeyError as error:
                raise CheckpointError(f"{path} holds no VGG-19: {error} is missing") from None
            own_weight, own_bias = self._parameters_of(layer)
            if weight.shape != own_weight.shape or bias.shape != own_bias.shape:
                raise CheckpointError(f"{path}: {name} is {tuple(weight.shape)}, expected {tuple(own_weight.shape)}")
            own_weight.copy_(weight)
            own_bias.copy_(bias / 255)  # pictures come in [0, 1], Oxford's in [0, 255]

    def _load_torchvision(self) -> None:
        from napa_lib.networks.torchvision_compat import imagenet_vgg19

        tensors = imagenet_vgg19()
        positions = sorted({int(name.split(".")[1]) for name in tensors})
        for layer, position in zip(LAYERS, positions, strict=True):
            weight, bias = self._parameters_of(layer)
            weight.copy_(tensors[f"features.{position}.weight"])
            bias.copy_(tensors[f"features.{position}.bias"])
        self.mean.copy_(torch.tensor((0.485, 0.456, 0.406)).view(1, 3, 1, 1))
        self.deviation.copy_(torch.tensor((0.229, 0.224, 0.225)).view(1, 3, 1, 1))

    def forward(self, image: Tensor, layers: Iterable[str] = LAYERS) -> dict[str, Tensor]:
        """Feature maps after the ReLU of the layers asked for; nothing behind the last of them is computed.

        Args:
            image: (B, 3, H, W) in [0, 1], sRGB.
            layers: names among relu1_1, relu1_2, relu2_1, ..., relu5_4.

        Returns:
            {layer: (B, C, H', W')}, in the network's order; H' = H / 2^(block - 1), rounded down.

        Raises:
            ValueError: for an unknown layer, a wrong shape, or a picture too small for the deepest layer.
        """
        wanted = set(layers)
        if unknown := sorted(wanted - set(LAYERS)):
            raise ValueError(f"layers must be among {LAYERS}, got {unknown}")
        if image.ndim != 4 or image.shape[1] != 3:
            raise ValueError(f"image must be (B, 3, H, W), got {tuple(image.shape)}")
        deepest = max([1, *(int(layer[4]) for layer in wanted)])
        least = 2 ** (deepest - 1)
        if image.shape[0] == 0 or min(image.shape[2:]) < least:
            raise ValueError(f"image must hold at least one picture of {least} x {least}, got {tuple(image.shape)}")

        found: dict[str, Tensor] = {}
        x = (image - self.mean) / self.deviation
        for block, (convs, _) in enumerate(BLOCKS, 1):
            if block > 1:
                x = nn.functional.max_pool2d(x, 2)
            for conv in range(1, convs + 1):
                x = self.convolutions[f"conv{block}_{conv}"](x).relu_()
                name = f"relu{block}_{conv}"
                if name in wanted:
                    found[name] = x.to(image.dtype)  # under autocast, maps come back in the picture's precision
                if len(found) == len(wanted):
                    return found
        return found


@torch.no_grad()
def measure_activations(network: VGG19Features) -> dict[str, float]:
    """Mean activation of each layer over the shipped paintings as squares of 224 pixels."""
    pictures = load_paintings(224)
    maps = [network(picture[None]) for picture in pictures]
    return {layer: float(sum(m[layer].mean() for m in maps) / len(maps)) for layer in LAYERS}
