"""The sizes of FlexPose's networks, and how they are trained and adapted."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class GeneratorConfig:
    """One pose generator. The defaults are StyleGAN's at 128 pixels, the paper's size."""

    size: int = 128  # side of the skeleton images in pixels, 4 times a power of two
    latent: int = 512  # of the noise z and of w = f(z)
    mapping_layers: int = 8  # of f
    channels: tuple[int, ...] = (512, 512, 512, 512, 256, 128)  # at 4, 8, 16, ... pixels
    color: bool = True  # a colour for each bone; False: white bones in one channel (table 2, row 13)

    def __post_init__(self) -> None:
        if not self.channels or self.size != 4 * 2 ** (len(self.channels) - 1):
            raise ValueError(
                f"channels must name one width for each of 4, 8, ... {self.size} pixels, got {self.channels}"
            )
        if min(self.latent, self.mapping_layers, *self.channels) < 1:
            raise ValueError(f"latent, mapping_layers and channels must be at least 1, got {self}")

    @property
    def layers(self) -> int:
        """L, how many layers have a style of their own: two a resolution."""
        return 2 * len(self.channels)

    @property
    def planes(self) -> int:
        """Channels of a skeleton image."""
        return 3 if self.color else 1


PRESETS = {
    "paper": GeneratorConfig(),
    "tiny": GeneratorConfig(size=64, latent=64, mapping_layers=4, channels=(64, 64, 64, 32, 16)),
    "thumb": GeneratorConfig(size=32, latent=64, mapping_layers=4, channels=(64, 64, 48, 24)),
}


@dataclass(frozen=True)
class SourceConfig:
    """The training of a source generator, or of the keypoint regressor beta."""

    model: GeneratorConfig = PRESETS["paper"]
    steps: int = 20_000
    batch: int = 16
    learning_rate: float = 2e-3  # Adam's, with betas 0 and 0.99; the mapping network's is a tenth of it
    penalty: float = 1.0  # gamma of the R1 penalty, every `lazy` steps
    lazy: int = 8
    average: float = 0.995  # running average of the generator's weights
    every: int = 500  # steps between two checkpoints, and two records
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.steps, self.every, self.lazy) < 1 or self.batch < 2:
            raise ValueError(f"steps, every and lazy must be >= 1 and batch >= 2, got {self}")
        if self.learning_rate <= 0 or self.penalty < 0 or not 0 <= self.average < 1:
            raise ValueError(f"learning_rate must be positive, penalty not negative, average in [0, 1), got {self}")


@dataclass(frozen=True)
class AdaptationConfig:
    """The fitting of tau. Of the defaults `layers` and `mixed` are the paper's, which gives no steps, batch or rate."""

    layers: tuple[int, ...] = (3,)  # l of eq. 6, counted from 1, the coarsest
    mixed: int = 1000  # E, how many mixed poses stand for the shots
    pairing: str = "nearest"  # which noise is to become which pose; "random" is the paper's
    steps: int = 300
    batch: int = 16
    learning_rate: float = 2e-3  # Adam's
    seed: int = 0

    def __post_init__(self) -> None:
        if self.pairing not in ("nearest", "random"):
            raise ValueError(f"pairing must be 'nearest' or 'random', got {self.pairing!r}")
        if not self.layers or min(self.layers) < 1 or len(set(self.layers)) < len(self.layers):
            raise ValueError(f"layers must be different numbers from 1 on, got {self.layers}")
        if min(self.mixed, self.steps, self.batch) < 1 or self.learning_rate <= 0:
            raise ValueError(f"mixed, steps, batch and learning_rate must be positive, got {self}")
