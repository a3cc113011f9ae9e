"""WarmPoseNet, NAPA's G warmed up: what photographs taught a network, and a head for art over it."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from napa_lib.data import asset_path
from napa_lib.engine import CheckpointError, load_weights, made_on_cpu, save_tensors
from napa_lib.networks.blazepose import CHANNELS, BlazePose, channels_of
from napa_lib.networks.heatmaps import cells_to_pixels, local_soft_argmax
from napa_lib.networks.pose_net import MIRRORED, PosePrediction, Residual
from napa_lib.quantization import read_weights
from napa_lib.skeletons import BLAZEPOSE33, NAPA18

FORMAT = "napa-warm-pose-net-1"
WEIGHTS = "weights/warm_pose_net.safetensors"
WARM_JOINTS = tuple(name for name in NAPA18.joints if name in BLAZEPOSE33.joints)  # those with a heat map to start from
SIZE = 224  # pixels of the crops that it is meant for
VIEWS = ((192, False), (224, True))  # (size, mirrored) of the looks that make an answer


class WarmHead(nn.Module):
    """From features at 1/4 to 1/32 of the crop's size to a correction of the heat maps, and a map of certainty.

    Information comes up from 1/32, where a 3 x 3 convolution sees most of a crop, and is added to what each scale says
    itself. The last convolution of the correction begins with zeros: before any training the answer is the backbone's.
    """

    def __init__(self, widths: tuple[int, int, int, int]) -> None:
        super().__init__()
        self.laterals = nn.ModuleList(
            nn.Sequential(nn.Conv2d(channels, width, 1), Residual(width))
            for channels, width in zip(CHANNELS, widths, strict=True)
        )
        self.bottom = nn.Sequential(Residual(widths[3]), Residual(widths[3]))
        self.narrow = nn.ModuleList(
            nn.Conv2d(coarse, fine, 1) for fine, coarse in zip(widths, widths[1:], strict=False)
        )
        self.up = nn.ModuleList(Residual(width) for width in widths[:3])
        self.norm = nn.Sequential(nn.GroupNorm(8, widths[0]), nn.ReLU())
        self.correction = nn.Conv2d(widths[0], NAPA18.num_joints, 1)
        self.certainty = nn.Conv2d(widths[0], NAPA18.num_joints, 1)
        nn.init.zeros_(self.correction.weight)
        nn.init.zeros_(self.correction.bias)  # type: ignore[arg-type]

    def forward(self, taps: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        sides = [lateral(tap) for lateral, tap in zip(self.laterals, taps, strict=True)]
        x = self.bottom(sides[3])
        for level in (2, 1, 0):
            x = self.up[level](sides[level] + interpolate(self.narrow[level](x), scale_factor=2, mode="nearest"))
        x = self.norm(x)
        return self.correction(x), self.certainty(x)


class WarmPoseNet(nn.Module):
    """G: where the joints of the figure in a crop are, and how sure that is.

    The backbone, `BlazePose`, keeps the weights that photographs of people gave it. Thirteen joints of `NAPA18` start
    from its heat maps; pelvis, torso, neck, head and thorax have none there and come from the head alone.

    Args:
        widths: channels of the head at 1/4, 1/8, 1/16 and 1/32 of the crop's size.

    Source: NAPA, section 3.3 (stage 2 warms G up with a network trained on photographs of people); the head is ours.

    >>> WarmPoseNet()(torch.rand(1, 3, 64, 64)).heatmaps.shape
    torch.Size([1, 18, 16, 16])
    """

    calibration: Tensor

    def __init__(self, widths: tuple[int, int, int, int] = (64, 96, 128, 160)) -> None:
        super().__init__()
        self.widths = widths
        self.backbone = BlazePose().requires_grad_(False)
        self.head = WarmHead(widths)
        self.register_buffer("calibration", torch.tensor([1.0, 0.0, 0.0]))  # see `calibrated`
        self.warm = [NAPA18.index(name) for name in WARM_JOINTS]
        self.channels = channels_of(WARM_JOINTS)

    def features(self, images: Tensor) -> tuple[Tensor, ...]:
        """(B, 3, S, S) crops in [0, 1] -> the heat maps to start from (B, 13, S / 4, S / 4), then the four taps."""
        found = self.backbone(images)
        return found.heatmaps[:, self.channels], *found.taps

    def predict(self, features: tuple[Tensor, ...]) -> PosePrediction:
        """What the head says of features that `features` gave; its confidence is not calibrated."""
        heatmaps, sure = (x.float() for x in self.head(features[1:]))
        start = torch.zeros_like(heatmaps)
        start[:, self.warm] = features[0].float()
        heatmaps = start + heatmaps
        p = heatmaps.flatten(2).softmax(-1).detach()
        confidence = (p * sure.flatten(2)).sum(-1)  # what the map of certainty says where the joint is
        return _answer(heatmaps, confidence)

    def calibrated(self, confidence: Tensor, start: Tensor) -> Tensor:
        """Logits of the chance that a joint is in the crop and right to half a head, fitted on validation pictures.

            scale * confidence + weight * presence + shift,  calibration = (scale, weight, shift)

        `presence` is how strong the backbone's heat maps are at their best, on average over the joints: trained
        to be weak where nobody is, which the head's certainty need not notice.

        Args:
            confidence: (B, 18) from `predict`.
            start: (B, 13, S / 4, S / 4) the backbone's heat maps.
        """
        scale, weight, shift = self.calibration
        return scale * confidence + weight * start.float().flatten(2).amax(-1).mean(1, keepdim=True) + shift

    def forward(self, images: Tensor, mirror: bool = False) -> PosePrediction:
        """Crops (B, 3, S, S) in [0, 1], sRGB, S a multiple of 32 (`SIZE` or so), to a prediction.

        With `mirror`, the crops are looked at in all `VIEWS`: as they are, and larger and mirrored. The opinions on
        each joint are multiplied: their heat maps' geometric mean is decoded, so that where sides are unclear both
        joints of a pair follow one reading.

        Raises:
            ValueError: for any other shape.
        """
        if images.ndim != 4 or images.shape[1] != 3 or images.shape[2] != images.shape[3] or images.shape[2] % 32:
            raise ValueError(f"images must be (B, 3, S, S) with S a multiple of 32, got {tuple(images.shape)}")
        views = VIEWS if mirror else ((images.shape[-1], False),)
        opinions = [self.opinion(images, size, mirrored) for size, mirrored in views]
        heatmaps, confidence = (torch.stack(parts).mean(0) for parts in zip(*opinions, strict=True))
        return _answer(heatmaps, confidence)

    def opinion(self, images: Tensor, size: int, mirrored: bool) -> tuple[Tensor, Tensor]:
        """One look at crops brought to `size`: log probabilities (B, 18, S / 4, S / 4) and calibrated logits (B, 18).

        Both are those of the crops themselves, also where their mirror images were looked at.
        """
        shown = images.flip(-1) if mirrored else images
        if size != images.shape[-1]:
            shown = interpolate(shown, (size, size), mode="bilinear", align_corners=False, antialias=True)
        features = self.features(shown)
        found = self.predict(features)
        confidence = self.calibrated(found.confidence, features[0])
        heatmaps = found.heatmaps.flatten(2).log_softmax(-1).view_as(found.heatmaps)
        if size != images.shape[-1]:
            cells = images.shape[-1] // 4
            heatmaps = interpolate(heatmaps, (cells, cells), mode="bilinear", align_corners=False)
        if mirrored:
            return heatmaps.flip(-1)[:, MIRRORED], confidence[:, MIRRORED]
        return heatmaps, confidence

    def trained_state(self) -> dict[str, Tensor]:
        """The weights that training changes: all but the backbone's."""
        return {name: tensor for name, tensor in self.state_dict().items() if not name.startswith("backbone.")}


@made_on_cpu
def load_warm_backbone(widths: tuple[int, int, int, int] = (64, 96, 128, 160)) -> WarmPoseNet:
    """The network with the backbone that ships and an untrained head.

    Raises:
        ValueError: if the file is corrupt.
    """
    path = asset_path("weights/blazepose.safetensors")
    network = WarmPoseNet(widths).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    load_weights(network.backbone, read_weights(path)[0], str(path))
    return network


def save_warm_pose_net(path: str | Path, network: WarmPoseNet, metadata: dict[str, str] | None = None) -> None:
    """Write what was trained, in 16 bits; the backbone is not in the file.

    8 bits are too few: channels of the taps differ in size by a factor of hundreds, and so do their weights.
    """
    header = {"widths": ",".join(map(str, network.widths)), "format": FORMAT}
    save_tensors(path, {n: t.half() for n, t in network.trained_state().items()}, {**(metadata or {}), **header})


@made_on_cpu
def load_warm_pose_net(path: str | Path | None = None) -> WarmPoseNet:
    """A trained network in `eval()` mode: the one that ships, or a file that `save_warm_pose_net` wrote.

    Raises:
        ValueError: if the file is corrupt or holds something else.
    """
    path = asset_path(WEIGHTS) if path is None else Path(path)
    tensors, metadata = read_weights(path, FORMAT, "pose network")
    try:
        first, second, third, fourth = (int(width) for width in metadata["widths"].split(","))
    except (KeyError, ValueError):
        raise CheckpointError(f"{path} does not say the four widths of its head") from None
    network = load_warm_backbone((first, second, third, fourth))
    fixed = {name: tensor for name, tensor in network.state_dict().items() if name.startswith("backbone.")}
    load_weights(network, {**fixed, **tensors}, str(path))
    return network.eval()


def _answer(heatmaps: Tensor, confidence: Tensor) -> PosePrediction:
    return PosePrediction(cells_to_pixels(local_soft_argmax(heatmaps)), confidence, heatmaps)
