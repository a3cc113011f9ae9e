"""PoseNet2D, NAPA's G: heat maps over the features of an ImageNet network, and their expectation."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from napa_lib.data import asset_path
from napa_lib.engine import load_weights, made_on_cpu, save_tensors, telling_header
from napa_lib.networks.heatmaps import cells_to_pixels, local_soft_argmax
from napa_lib.networks.resnet import resnet50
from napa_lib.networks.vgg import VGG19Features
from napa_lib.quantization import quantize, read_weights
from napa_lib.skeletons import NAPA18

FORMAT = "napa-pose-net-1"
BACKBONES = {"vgg19": (256, 512, 512), "resnet50": (256, 512, 1024)}  # channels at 1/4, 1/8 and 1/16 of the picture
MIRRORED = [dict(p for a, b in NAPA18.flip_pairs for p in ((a, b), (b, a))).get(j, j) for j in range(18)]


@dataclass(frozen=True)
class PosePrediction:
    """What the network says of B crops of S x S pixels, J = 18 joints in the order of `NAPA18`."""

    keypoints: Tensor  # (B, J, 2) pixels of the crop
    confidence: Tensor  # (B, J) logits: is the joint in the crop, and near where `keypoints` says?
    heatmaps: Tensor  # (B, J, S / 4, S / 4) scores; softmax makes them probabilities


with warnings.catch_warnings():
    warnings.simplefilter("ignore", FutureWarning)  # torch 2.4 warns of a call of its own
    torch.export.register_dataclass(PosePrediction, serialized_type_name="napa_lib.PosePrediction")


class Residual(nn.Module):
    """A bottleneck block: 1 x 1 down to half, 3 x 3, 1 x 1 up, with group normalisation, beside a shortcut.

    Group normalisation does without statistics of a batch, which drawings and photographs would not share.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.layers = nn.Sequential(
            nn.GroupNorm(8, channels), nn.ReLU(), nn.Conv2d(channels, half, 1),
            nn.GroupNorm(8, half), nn.ReLU(), nn.Conv2d(half, half, 3, padding=1),
            nn.GroupNorm(8, half), nn.ReLU(), nn.Conv2d(half, channels, 1),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


class Head(nn.Module):
    """From features at 1/4, 1/8 and 1/16 of the picture's size to heat maps at 1/4.

    Each scale is brought to one width; then, as in an hourglass, information goes down to 1/32, where a 3 x 3
    convolution sees most of a crop, and comes up again, added to what each scale kept.
    """

    def __init__(self, features: tuple[int, int, int], width: int) -> None:
        super().__init__()
        fine, middle, coarse = features
        self.lateral4 = nn.Sequential(nn.Conv2d(fine, width // 2, 1), Residual(width // 2))
        self.lateral8 = nn.Sequential(nn.Conv2d(middle, width, 1), Residual(width))
        self.lateral16 = nn.Sequential(nn.Conv2d(coarse, width, 1), Residual(width))
        self.down16 = nn.Sequential(nn.MaxPool2d(2), Residual(width))
        self.down32 = nn.Sequential(nn.MaxPool2d(2), Residual(width), Residual(width), Residual(width))
        self.up16 = nn.Sequential(Residual(width), Residual(width))
        self.up8 = nn.Sequential(Residual(width), Residual(width))
        self.narrow = nn.Conv2d(width, width // 2, 1)
        self.up4 = nn.Sequential(Residual(width // 2), Residual(width // 2), nn.GroupNorm(8, width // 2), nn.ReLU())
        self.out = nn.Conv2d(width // 2, 2 * NAPA18.num_joints, 1)

    def forward(self, fine: Tensor, middle: Tensor, coarse: Tensor) -> tuple[Tensor, Tensor]:
        x8 = self.lateral8(middle)
        x16 = self.lateral16(coarse) + self.down16(x8)
        x16 = self.up16(x16 + _double(self.down32(x16)))
        x8 = self.up8(x8 + _double(x16))
        x4 = self.up4(self.lateral4(fine) + _double(self.narrow(x8)))
        heatmaps, confidence = self.out(x4).chunk(2, 1)
        return heatmaps, confidence


class PoseNet2D(nn.Module):
    """G: where the joints of the figure in a crop are, and how sure that is.

    Args:
        backbone: "vgg19" takes the features relu3_4, relu4_4 and relu5_2 of the embedded VGG-19, whose weights stay as
            they are; "resnet50" is a ResNet-50 up to its third group, untrained: load `imagenet_resnet50()` into
            `network.resnet`, which is trained along.
        width: channels of the head.
        tuned: convolutions of the VGG-19 that are trained along, such as ("conv4_3", "conv4_4").

    Source: NAPA, section 3 (G with the integral regression of Sun et al., 2018); the head, an hourglass on a frozen
    network's features in place of deconvolutions, is ours: it trains on a CPU.

    >>> PoseNet2D()(torch.rand(1, 3, 64, 64)).heatmaps.shape
    torch.Size([1, 18, 16, 16])
    """

    def __init__(self, backbone: str = "vgg19", width: int = 192, tuned: tuple[str, ...] = ()) -> None:
        super().__init__()
        if backbone not in BACKBONES:
            raise ValueError(f"backbone must be one of {sorted(BACKBONES)}, got {backbone!r}")
        if width < 16 or width % 32:
            raise ValueError(f"width must be a multiple of 32, got {width}")
        self.backbone, self.width, self.tuned = backbone, width, tuned
        if backbone == "vgg19":
            self.vgg = VGG19Features()
            for name in ("conv5_3", "conv5_4"):  # behind the last feature used
                del self.vgg.convolutions[name]
            if unknown := set(tuned) - set(self.vgg.convolutions):
                raise ValueError(f"tuned must name convolutions of the VGG-19, got {sorted(unknown)}")
            for name in tuned:
                self.vgg.convolutions[name].requires_grad_(True)
        else:
            self.resnet = resnet50()
            del self.resnet.layer4, self.resnet.avgpool, self.resnet.fc
        self.head = Head(BACKBONES[backbone], width)

    def features(self, images: Tensor) -> tuple[Tensor, ...]:
        """(B, 3, S, S) pictures in [0, 1] -> features at 1/4, 1/8 and 1/16 of their size."""
        if self.backbone == "vgg19":
            maps = self.vgg(images, ("relu3_4", "relu4_4", "relu5_2"))
            return maps["relu3_4"], maps["relu4_4"], maps["relu5_2"]
        net = self.resnet
        mean, deviation = images.new_tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])[..., None, None]
        x = net.maxpool(net.relu(net.bn1(net.conv1((images - mean) / deviation))))
        fine = net.layer1(x)
        middle = net.layer2(fine)
        return fine, middle, net.layer3(middle)

    def forward(self, images: Tensor, mirror: bool = False) -> PosePrediction:
        """Pictures (B, 3, S, S) in [0, 1], sRGB, S a multiple of 32, to a prediction.

        With `mirror`, the mirror images are looked at as well, and the two opinions on each joint multiplied: their
        heat maps' geometric mean is decoded, so that where sides are unclear both joints of a pair follow one reading.

        Raises:
            ValueError: for any other shape.
        """
        if images.ndim != 4 or images.shape[1] != 3 or images.shape[2] != images.shape[3] or images.shape[2] % 32:
            raise ValueError(f"images must be (B, 3, S, S) with S a multiple of 32, got {tuple(images.shape)}")
        if not mirror:
            return self.predict(self.features(images))
        both = self.predict(self.features(torch.cat([images, images.flip(-1)])))
        plain, turned = both.heatmaps.flatten(2).log_softmax(-1).view_as(both.heatmaps).chunk(2)
        sure, sure_turned = both.confidence.chunk(2)
        heatmaps = (plain + turned.flip(-1)[:, MIRRORED]) / 2
        keypoints = cells_to_pixels(local_soft_argmax(heatmaps))
        return PosePrediction(keypoints, (sure + sure_turned[:, MIRRORED]) / 2, heatmaps)

    def predict(self, features: tuple[Tensor, ...]) -> PosePrediction:
        """What the head says of features that `features` gave."""
        heatmaps, sure = (x.float() for x in self.head(*features))
        p = heatmaps.flatten(2).softmax(-1).detach()
        confidence = (p * sure.flatten(2)).sum(-1)  # what the map of certainty says where the joint is
        return PosePrediction(cells_to_pixels(local_soft_argmax(heatmaps)), confidence, heatmaps)

    def trained_state(self) -> dict[str, Tensor]:
        """The weights that training changes: all but the embedded VGG-19's."""
        frozen = "vgg."
        kept = tuple(f"vgg.convolutions.{name}." for name in self.tuned)
        return {n: t for n, t in self.state_dict().items() if not n.startswith(frozen) or n.startswith(kept)}


def save_pose_net(path: str | Path, network: PoseNet2D, metadata: dict[str, str] | None = None) -> None:
    """Write what was trained, convolutions in 8 bits, and what is needed to build the network again."""
    header = {"backbone": network.backbone, "width": str(network.width), "tuned": ",".join(network.tuned)}
    save_tensors(path, quantize(network.trained_state()), {**(metadata or {}), **header, "format": FORMAT})


@made_on_cpu
def load_pose_net(path: str | Path | None = None) -> PoseNet2D:
    """A trained network in `eval()` mode: the one that ships, or a file that `save_pose_net` wrote.

    Raises:
        ValueError: if the file is corrupt or holds something else.
    """
    path = asset_path("weights/pose_net.safetensors") if path is None else Path(path)
    tensors, metadata = read_weights(path, FORMAT, "pose network")
    with telling_header(path):
        tuned = tuple(name for name in metadata["tuned"].split(",") if name)
        # in float32, whatever torch's default dtype is
        network = PoseNet2D(metadata["backbone"], int(metadata["width"]), tuned).float()
    trained = network.trained_state()
    fixed = {name: tensor for name, tensor in network.state_dict().items() if name not in trained}
    load_weights(network, {**fixed, **tensors}, str(path))
    return network.eval()


def _double(x: Tensor) -> Tensor:
    return interpolate(x, scale_factor=2, mode="nearest")
