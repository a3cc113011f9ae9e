"""Everything that decides what a training of the pose network does."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PoseTrainingConfig:
    """How the pose network is trained. A run with `echo` above 1 that is resumed fills its buffer anew."""

    backbone: str = "vgg19"
    width: int = 256  # channels of the head
    tuned: str = ""  # convolutions of the VGG-19 that are trained along, separated by commas
    size: int = 128  # side of the crops in pixels
    steps: int = 6000
    batch: int = 32
    learning_rate: float = 1e-3  # of AdamW at its peak, for the head
    backbone_rate: float = 0.1  # times that, for what is tuned of the backbone
    weight_decay: float = 0.02
    integral: float = 20.0  # weight of L_2d beside the heat maps' cross-entropy
    confidence: float = 0.5  # weight of the confidence loss
    empty: float = 0.06  # share of pictures without a figure
    echo: int = 1  # steps a picture's features are used for; more than 1 needs a frozen backbone
    kept: int = 12000  # pictures whose features are kept for it, 0.5 MB each at 96 pixels
    average: float = 0.998  # decay of the running average of the weights, which is what is kept
    seed: int = 0

    def __post_init__(self) -> None:
        if self.echo < 1 or (self.echo > 1 and (self.tuned or self.backbone != "vgg19")):
            raise ValueError(f"echo must be at least 1, and 1 unless the backbone is frozen, got {self.echo}")
