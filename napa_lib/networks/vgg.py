"""VGG-19 as a fixed measuring instrument: its feature maps, from weights that ship with the course."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor, nn

from napa_lib.data import asset_path
from napa_lib.engine import load_tensors

# Convolutions a block, and channels a block (Simonyan and Zisserman, 2014, configuration E).
BLOCKS = ((2, 64), (2, 128), (4, 256), (4, 512), (4, 512))
LAYERS = tuple(f"relu{block + 1}_{conv + 1}" for block, (convs, _) in enumerate(BLOCKS) for conv in range(convs))

# Mean of ImageNet in RGB on the scale 0-255, which the Oxford weights expect to be taken away.
OXFORD_MEAN = (123.68, 116.779, 103.939)


class VGG19Features(nn.Module):
    """The feature maps relu1_1 ... relu5_4 of a VGG-19 trained on ImageNet; its weights never change.

    Features are given in units of the picture's own scale [0, 1]: with positive homogeneous layers, feeding
    (x - mean) / 255 with biases / 255 divides every feature by 255 and changes nothing else. NAPA's loss ratios
    were balanced for small features; `napa_lib.style` states the scale with each loss.

    Args:
        weights: "embedded" (Oxford's weights as an 8-bit codebook, shipped), "imagenet" (torchvision's, downloaded on
            first use), or the path of a safetensors file with `convB_C.weight` and `convB_C.bias` on Oxford's scale.

    Source: Simonyan and Zisserman, 2014; used as loss network by Gatys et al., Johnson et al. and NAPA, section 3.
    """

    def __init__(self, weights: str | Path = "embedded") -> None:
        super().__init__()
        self.convolutions = nn.ModuleDict()
        channels = 3
        for block, (convs, width) in enumerate(BLOCKS, 1):
            for conv in range(1, convs + 1):
                self.convolutions[f"conv{block}_{conv}"] = nn.Conv2d(channels, width, 3, padding=1)
                channels = width
        self.register_buffer("mean", torch.tensor(OXFORD_MEAN).view(1, 3, 1, 1) / 255)
        self.register_buffer("scale", torch.ones(1, 3, 1, 1))
        self._load(weights)
        self.requires_grad_(False)
        self.eval()

    def _load(self, weights: str | Path) -> None:
        if weights == "imagenet":
            self._load_torchvision()
            return
        path = asset_path("weights/vgg19_q8.safetensors") if weights == "embedded" else Path(weights)
        tensors, _ = load_tensors(path)
        for name, conv in self.convolutions.items():
            try:
                if f"{name}.index" in tensors:
                    weight = tensors[f"{name}.table"][tensors[f"{name}.index"].long()]
                else:
                    weight = tensors[f"{name}.weight"]
                bias = tensors[f"{name}.bias"]
            except KeyError as error:
                raise ValueError(f"{path} holds no VGG-19: {error} is missing") from None
            if weight.shape != conv.weight.shape or bias.shape != conv.bias.shape:
                raise ValueError(
                    f"{path}: {name} is {tuple(weight.shape)}, expected {tuple(conv.weight.shape)}"
                )
            with torch.no_grad():
                conv.weight.copy_(weight)
                conv.bias.copy_(bias / 255)

    def _load_torchvision(self) -> None:
        from napa_lib.networks.torchvision_compat import imagenet_vgg19

        tensors = list(imagenet_vgg19().values())  # weight and bias of the 16 convolutions, in the network's order
        with torch.no_grad():
            for own, weight, bias in zip(self.convolutions.values(), tensors[::2], tensors[1::2], strict=True):
                own.weight.copy_(weight)
                own.bias.copy_(bias)
            # torchvision standardises pictures with these; its features are then on a scale of their own.
            self.mean.copy_(torch.tensor((0.485, 0.456, 0.406)).view(1, 3, 1, 1))
            self.scale.copy_(torch.tensor((0.229, 0.224, 0.225)).view(1, 3, 1, 1))

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
        deepest = max((int(layer[4]) for layer in wanted), default=1)
        least = 2 ** (deepest - 1)
        if image.shape[0] == 0 or min(image.shape[2:]) < least:
            raise ValueError(f"image must hold at least one picture of {least} x {least}, got {tuple(image.shape)}")

        found: dict[str, Tensor] = {}
        x = (image - self.mean) / self.scale
        for block, (convs, _) in enumerate(BLOCKS, 1):
            if block > 1:
                x = nn.functional.max_pool2d(x, 2)
            for conv in range(1, convs + 1):
                x = self.convolutions[f"conv{block}_{conv}"](x).relu_()
                name = f"relu{block}_{conv}"
                if name in wanted:
                    found[name] = x
                if len(found) == len(wanted):
                    return found
        return found
